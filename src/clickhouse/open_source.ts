/** Opens the source that the config names: a server, or the embedded engine in a separate process. */
import type { Source } from "../export/source.ts";
import { type ClickHouseOptions, openClickHouse } from "./clickhouse.ts";
import { withoutClock } from "../export/clock.ts";
import { startEmbedded } from "../clickhouse_server/start.ts";

export type SourceOptions =
  | ({ readonly kind: "clickhouse" } & ClickHouseOptions)
  | { readonly kind: "embedded"; readonly path: string; readonly database: string; readonly table: string };

/** The embedded engine answers from this machine: what takes longer than this hangs. */
const EMBEDDED_TIMEOUT_MS = 30 * 60_000;

export async function openSource(options: SourceOptions, signal: AbortSignal): Promise<Source> {
  if (options.kind === "clickhouse") return await openClickHouse(options);
  const engine = await startEmbedded({ path: options.path, signal });
  const engineSource = await openClickHouse({
    url: engine.url,
    ...engine.credentials,
    database: options.database,
    table: options.table,
    requestTimeoutMs: EMBEDDED_TIMEOUT_MS,
  });
  const source = withoutClock(engineSource);
  const close = source[Symbol.asyncDispose].bind(source);
  source[Symbol.asyncDispose] = async () => {
    await close();
    await engine[Symbol.asyncDispose]();
  };
  return source;
}
