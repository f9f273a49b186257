/** The files that people with Docker use, taken apart. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { createServer, type RequestListener } from "node:http";
import type { AddressInfo } from "node:net";
import { parse } from "yaml";

export const readText = (file: string): string => readFileSync(file, "utf8");

export interface Instruction {
  /** `RUN`, in capitals. */
  readonly name: string;
  /** What follows, with continued lines joined by one space. */
  readonly text: string;
}

export function parseDockerfile(text: string): Instruction[] {
  const joined = text
    .split("\n")
    .filter((line) => !line.startsWith("#"))
    .join("\n")
    .replaceAll(/\s*\\\n\s*/g, " ");
  return joined
    .split("\n")
    .filter((line) => line.trim() !== "")
    .map((line) => {
      const [name = "", ...rest] = line.trim().split(/\s+/);
      return { name: name.toUpperCase(), text: rest.join(" ") };
    });
}

export interface Service {
  readonly image: string;
  readonly build?: string;
  readonly entrypoint?: readonly string[];
  readonly command?: readonly string[];
  readonly environment?: Readonly<Record<string, string>>;
  readonly ports?: readonly string[];
  readonly volumes?: readonly string[];
  readonly read_only?: boolean;
  readonly restart?: string;
  readonly stop_grace_period?: string;
  readonly depends_on?: Readonly<Record<string, { readonly condition: string }>>;
  readonly deploy?: { readonly replicas: number };
  readonly healthcheck?: { readonly test: readonly string[] };
}

export interface Compose {
  readonly services: Readonly<Record<string, Service>>;
  readonly volumes: Readonly<Record<string, unknown>>;
}

/** compose.yaml as text, with the default of each `${NAME:-default}` in its place, and `$$` as `$`. */
export function composeText(): string {
  return readText("compose.yaml").replaceAll(/(?<!\$)\$\{\w+:-([^}]*)\}/g, "$1");
}

export function readCompose(): Compose {
  return parse(composeText().replaceAll("$$", "$"), { merge: true }) as Compose;
}

export interface Answering extends AsyncDisposable {
  readonly url: string;
  /** Nobody listens from then on. */
  close(): Promise<void>;
}

/** A server on loopback. */
export async function answering(listener: RequestListener): Promise<Answering> {
  const server = createServer(listener);
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  const close = async (): Promise<void> => {
    if (!server.listening) return;
    server.close();
    server.closeAllConnections();
    await once(server, "close");
  };
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    close,
    [Symbol.asyncDispose]: close,
  };
}

/** How `node` ends with these arguments. */
export async function exitOf(args: readonly string[], env: Readonly<Record<string, string>>): Promise<unknown> {
  const child = spawn(process.execPath, args, { env: { ...process.env, ...env }, stdio: "ignore" });
  const [code] = (await once(child, "exit")) as unknown[];
  return code;
}
