import { mkdtemp, rm } from "node:fs/promises";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { ClickHouseLogLevel, createClient } from "@clickhouse/client";
import type { ClickHouseClient } from "@clickhouse/client";
import { NO_PASSWORD } from "../../src/clickhouse_server/credentials.ts";
import { startEmbedded } from "../../src/clickhouse_server/start.ts";
import type { Embedded, EmbeddedOptions } from "../../src/clickhouse_server/start.ts";

export interface EmbeddedHarness extends AsyncDisposable {
  readonly engine: Embedded;
  readonly client: ClickHouseClient;
  readonly url: string;
  /** The engine's data directory, inside a temporary one. */
  readonly path: string;
}

/** For `test(name, { skip: embeddedSkip }, …)`: why the embedded engine cannot be started here, or false. */
export const embeddedSkip: string | false = whyNot();

export interface HarnessOptions extends Partial<EmbeddedOptions> {
  /** The test ends the engine itself. */
  readonly dies?: boolean;
}

/**
 * An engine of its own in a temporary directory, on a free port, with a client; all gone when disposed of, which fails where
 * the engine has ended by itself.
 */
export async function embedded({ dies, ...options }: HarnessOptions = {}): Promise<EmbeddedHarness> {
  await using stack = new AsyncDisposableStack();
  const directory = await mkdtemp(join(tmpdir(), "replayport-test-"));
  stack.defer(() => rm(directory, { recursive: true, force: true }));
  const path = join(directory, "data");
  const engine = stack.use(
    await startEmbedded({
      path,
      credentials: NO_PASSWORD,
      outside: true,
      signal: AbortSignal.timeout(60_000),
      ...options,
    }),
  );
  stack.defer(async () => {
    // An engine that dies leaves nothing but broken lines; this says why they broke.
    const alive = await fetch(`${engine.url}/ping`).then(
      () => true,
      () => false,
    );
    if (!alive && dies !== true) throw new Error(`the engine ended by itself: ${JSON.stringify(await engine.exited)}`);
  });
  const client = createClient({
    url: engine.url,
    request_timeout: 60_000,
    log: { level: ClickHouseLogLevel.OFF },
    ...(options.credentials ? { username: options.credentials.username, password: options.credentials.password } : {}),
  });
  stack.defer(() => client.close());
  const kept = stack.move();
  return { engine, client, url: engine.url, path, [Symbol.asyncDispose]: () => kept.disposeAsync() };
}

function whyNot(): string | false {
  try {
    const main = createRequire(import.meta.url).resolve("chdb");
    const platform = { linux: `linux-${process.arch}-gnu`, darwin: `darwin-${process.arch}` }[
      process.platform as string
    ];
    createRequire(main).resolve(`@chdb/lib-${platform}/package.json`);
    return false;
  } catch {
    return "chdb is not installed; `npm ci` without --omit=optional brings it";
  }
}
