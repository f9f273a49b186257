/** The Redis addresses that the config accepts. */
import type { FleetRedisOptions } from "../../fleet/fleet.ts";
import { defined } from "./defined.ts";
import type { Parsed } from "./units.ts";

/** What the address alone says. */
export type RedisAddress = Omit<FleetRedisOptions, "prefix" | "ca" | "cert" | "key">;

const FORM =
  /^(?<scheme>rediss?)(?:\+(?<kind>sentinel|cluster))?:\/\/(?:(?<user>[^@/?#]*)@)?(?<hosts>[^@/?#]+)(?<path>(?:\/[^/?#]*)*)$/;
const HOST = /^(?<host>\[[0-9a-fA-F:]+\]|[^:\s[\]]+)(?::(?<port>\d{1,5}))?$/;
const PORTS = { single: 6379, sentinel: 26_379, cluster: 6379 } as const;
const FIX =
  "Write redis://host:6379/0 (rediss:// for TLS), redis+sentinel://host,host/master or redis+cluster://host,host; " +
  "a password as it is goes into redis.password; in the URL @ : / ? # % are %40 %3A %2F %3F %23 %25.";

export const REDIS_URL_PATTERN = String.raw`^rediss?(\+(sentinel|cluster))?://`;

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}

export function parseRedisUrl(text: string): Parsed<RedisAddress> {
  const refused = { problem: "not a Redis address", fix: FIX };
  const groups = FORM.exec(text.trim())?.groups;
  if (!groups) return refused;
  const kind = groups["kind"] === "sentinel" || groups["kind"] === "cluster" ? groups["kind"] : "single";
  const hosts = (groups["hosts"] ?? "").split(",").map((one) => {
    const parts = HOST.exec(one)?.groups;
    const port = parts?.["port"] === undefined ? PORTS[kind] : Number(parts["port"]);
    return { host: (parts?.["host"] ?? "").replaceAll(/[[\]]/g, ""), port };
  });
  if (hosts.some(({ host, port }) => host === "" || port < 1 || port > 65_535)) return refused;
  if (kind === "single" && hosts.length > 1) {
    return { problem: "several hosts without +sentinel or +cluster", fix: FIX };
  }
  const [name, ...secret] = (groups["user"] ?? "").split(":");
  const username = decoded(name ?? "");
  const password = decoded(secret.join(":"));
  if (username === undefined || password === undefined) return refused;
  const path = (groups["path"] ?? "").split("/").filter((part) => part !== "");
  const master = kind === "sentinel" ? path.shift() : undefined;
  if (kind === "sentinel" && master === undefined) {
    return { problem: "sentinels without the name of a master", fix: "Write redis+sentinel://host:26379/mymaster." };
  }
  const db = Number(path[0] ?? 0);
  if (path.length > 1 || !Number.isInteger(db) || db < 0) return refused;
  if (kind === "cluster" && path.length > 0) {
    return { problem: "a cluster has only one database", fix: "Remove what follows the hosts." };
  }
  return {
    value: defined<RedisAddress>({
      kind,
      hosts,
      tls: groups["scheme"] === "rediss",
      db,
      username: username === "" ? undefined : username,
      password: password === "" ? undefined : password,
      master,
    }),
  };
}
