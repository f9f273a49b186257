/** A server that tests start, wait for and stop: it ends with the tests, however they end, and never keeps them from ending. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp } from "node:fs/promises";
import { createServer, Socket, type AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";

const START_MS = 90_000;
const ASK_MS = 25;

export interface ServerProcess {
  /** Kills it, and waits until it is gone. */
  stop(): Promise<void>;
}

/**
 * Ends with the server, and ends the server when its input ends. That is when our process does, in whatever way: a run of tests
 * that is killed must not leave servers behind. Descriptor 3 is the input, since a shell gives its background jobs none.
 */
const UNTIL_INPUT_ENDS =
  'exec 3<&0; "$0" "$@" 3<&- & server=$!; { read _ <&3; kill -9 $server; } & watch=$!; ' +
  'wait $server; kill $watch; rm -rf "$TMPDIR"';

/**
 * Undefined if it exits before it answers, or does not answer in time.
 * @param answers whether it does; a rejection counts as no
 * @param startMs that a large one may take
 */
export async function startServer(
  program: string,
  args: readonly string[],
  answers: () => Promise<boolean>,
  env: NodeJS.ProcessEnv = process.env,
  startMs = START_MS,
): Promise<ServerProcess | undefined> {
  // A server that is killed leaves its temporary files; in a folder of its own they go with it.
  const folder = await mkdtemp(join(tmpdir(), "replayport-server-"));
  const child = spawn("/bin/sh", ["-c", UNTIL_INPUT_ENDS, program, ...args], {
    stdio: ["pipe", "ignore", "ignore"],
    env: { ...env, TMPDIR: folder },
  });
  child.unref();
  if (child.stdin instanceof Socket) child.stdin.unref();
  // A shell that is already gone takes no end of its input.
  child.stdin.on("error", () => undefined);
  const ended = (): boolean => child.exitCode !== null || child.signalCode !== null;
  const stop = async (): Promise<void> => {
    if (ended()) return;
    child.ref();
    const exit = once(child, "exit");
    child.stdin.end();
    await exit;
  };
  const until = Date.now() + startMs;
  while (Date.now() < until && !ended()) {
    if (await answers().catch(() => false)) return { stop };
    await setTimeout(ASK_MS);
  }
  await stop();
  return undefined;
}

/** A port that nobody listens on at the moment. */
export async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}
