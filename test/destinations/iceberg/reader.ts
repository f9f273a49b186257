/** Reads tables with PyIceberg: one process for all tests of a process of ours. */
import { spawn } from "node:child_process";
import { Socket } from "node:net";
import { join } from "node:path";
import { createInterface } from "node:readline";
import pLimit from "p-limit";
import type { IcebergServer } from "../../support/iceberg.ts";
import { icebergEnvironment } from "../../support/iceberg.ts";
import type { Unavailable } from "../../support/tools.ts";

export interface Table {
  readonly namespace: readonly string[];
  readonly table: string;
}

export interface AboutTable {
  readonly location: string;
  readonly properties: Readonly<Record<string, string>>;
  readonly snapshots: number;
  readonly manifests: number;
  /** Content, path and rows of the current snapshot's files. */
  readonly files: readonly (readonly [string, string, number])[];
}

/** Undefined where there is no such table. */
export interface Reader {
  rows(table: Table, columns?: readonly string[]): Promise<Record<string, unknown>[] | undefined>;
  /** Every file that the table needs. */
  needed(table: Table): Promise<string[] | undefined>;
  about(table: Table): Promise<AboutTable | undefined>;
}

export async function openReader({ server }: IcebergServer): Promise<Reader | Unavailable> {
  const environment = await icebergEnvironment();
  if (typeof environment !== "string") return environment;
  const { catalog: uri, tableBucket: warehouse, endpoint, region } = server;
  const { accessKeyId: id, secretAccessKey: secret } = server.credentials;
  const child = spawn(
    join(environment, "bin", "python"),
    [join(import.meta.dirname, "read_table.py"), JSON.stringify({ uri, warehouse, id, secret, endpoint, region })],
    { stdio: ["pipe", "pipe", "inherit"] },
  );
  // It ends when its input does, which is when our process ends; until then it mustn't keep us.
  child.unref();
  for (const stream of [child.stdin, child.stdout]) if (stream instanceof Socket) stream.unref();
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  const turn = pLimit(1);
  const ask = async <Answer>(request: object): Promise<Answer | undefined> =>
    await turn(async () => {
      if (child.stdout instanceof Socket) child.stdout.ref();
      child.stdin.write(`${JSON.stringify(request)}\n`);
      const { value } = await lines.next();
      if (child.stdout instanceof Socket) child.stdout.unref();
      const { answer, error } = JSON.parse(value ?? '{"error":"PyIceberg has ended"}') as {
        answer?: Answer | null;
        error?: string;
      };
      if (error !== undefined) throw new Error(`PyIceberg: ${error}`);
      return answer ?? undefined;
    });
  return {
    rows: (table, columns) => ask({ what: "rows", ...table, columns }),
    needed: (table) => ask({ what: "needed", ...table }),
    about: (table) => ask({ what: "about", ...table }),
  };
}
