import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { IncomingMessage } from "node:http";
import { ServerException } from "./exception.ts";

export interface Credentials {
  readonly username: string;
  readonly password: string;
}

const USER = "default";

/** For an engine that somebody starts for themselves: other users of the machine can reach its port. */
export function randomCredentials(): Credentials {
  return { username: USER, password: randomBytes(24).toString("base64url") };
}

/** As with ClickHouse's `no_password`: any password is right. */
export const NO_PASSWORD: Credentials = { username: USER, password: "" };

/**
 * Checks the credentials of a request (headers `X-ClickHouse-User` and `-Key`, Basic, or the URL).
 *
 * @throws ServerException 516
 */
export function authenticate(expected: Credentials, url: URL, headers: IncomingMessage["headers"]): void {
  const given = credentialsOf(url, headers);
  const right = expected.password === "" || equal(given.password, expected.password);
  if (given.username === expected.username && right) return;
  throw new ServerException(
    516,
    "AUTHENTICATION_FAILED",
    `${given.username}: Authentication failed: password is incorrect, or there is no user with such name.`,
  );
}

function credentialsOf(url: URL, headers: IncomingMessage["headers"]): Credentials {
  const user = headers["x-clickhouse-user"]?.toString();
  if (user !== undefined) return { username: user, password: headers["x-clickhouse-key"]?.toString() ?? "" };
  const basic = /^Basic\s+(\S+)$/i.exec(headers.authorization ?? "")?.[1];
  if (basic !== undefined) {
    const [username = "", ...password] = Buffer.from(basic, "base64").toString().split(":");
    return { username, password: password.join(":") };
  }
  return { username: url.searchParams.get("user") ?? "default", password: url.searchParams.get("password") ?? "" };
}

function equal(a: string, b: string): boolean {
  const hash = (text: string): Buffer => createHash("sha256").update(text).digest();
  return timingSafeEqual(hash(a), hash(b));
}
