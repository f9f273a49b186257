/** The engine's process: forked, configured by one message, ended by SIGTERM or with its parent. */
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { once } from "node:events";
import { messageOf } from "../errors.ts";
import { type ChdbModule, loadChdb } from "./chdb.ts";
import { confine, confinedArguments } from "./confinement.ts";
import { Engine } from "./engine.ts";
import { createHandler } from "./handler.ts";
import type { AnswerMessage, FailureReason, StartMessage } from "./messages.ts";
import { makeTempDirectory, removeTempDirectory } from "./temp_directory.ts";

const SHUTDOWN_MS = 5000;
// ClickHouse's http_max_uri_size: an INSERT has its statement in the URL.
const LONGEST_URL = 1024 * 1024;

// What the engine writes is this user's alone.
process.umask(0o077);

let end = (): void => process.exit(0);
process.on("disconnect", () => end());
process.on("SIGTERM", () => end());
// Ctrl-C reaches the whole process group, but the parent decides when the engine ends.
process.on("SIGINT", () => undefined);
process.once("message", (message) => void start(message as StartMessage));

async function start(message: StartMessage): Promise<void> {
  const chdb = await loadChdb().catch((error: unknown) => fail("missing", error));
  if (!chdb) return;
  const directory = await makeTempDirectory(message.tempPath ?? message.path);
  const { credentials, outside } = message;
  const confined = outside ? [] : await confinedArguments(directory);
  const engine = openEngine(chdb, confined);
  if (!engine) {
    await removeTempDirectory(directory);
    return;
  }
  const version = await engine.version();
  if (!outside) await confine(directory);
  const server = createServer(
    { maxHeaderSize: LONGEST_URL },
    createHandler({ engine, version, credentials, outside, directory }),
  );
  // A long INSERT may take any time. Idle connections are kept as long as ClickHouse keeps them.
  server.requestTimeout = 0;
  server.keepAliveTimeout = 30_000;
  end = () => void shutDown(engine, server, directory);
  try {
    server.listen(message.port, message.host);
    await once(server, "listening");
  } catch (error) {
    await removeTempDirectory(directory);
    fail("port", error);
    return;
  }
  send({ kind: "ready", port: (server.address() as AddressInfo).port, tempDirectory: directory });

  function openEngine(library: ChdbModule, connectionArguments: readonly string[]): Engine | undefined {
    try {
      return new Engine(library, { ...message, arguments: connectionArguments });
    } catch (error) {
      fail("engine", error);
      return undefined;
    }
  }
}

/** Cuts connections, which kills their queries, and closes the engine once those have ended. */
async function shutDown(engine: Engine, server: Server, directory: string): Promise<void> {
  end = () => undefined;
  // A query that can't be killed must not keep the process alive: what is committed is on disk.
  setTimeout(() => process.kill(process.pid, "SIGKILL"), SHUTDOWN_MS).unref();
  server.close();
  server.closeAllConnections();
  await engine.idle();
  await removeTempDirectory(directory);
  engine[Symbol.dispose]();
  process.exit(0);
}

function fail(reason: FailureReason, error: unknown): undefined {
  send({ kind: "failed", reason, message: messageOf(error) }, () => process.disconnect());
}

function send(message: AnswerMessage, then: () => void = () => undefined): void {
  process.send?.(message, then);
}
