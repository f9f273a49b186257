/** Decides which files of earlier attempts stay: load.ts says why. */
import { open } from "node:fs/promises";
import { messageOf, ReplayportError } from "../../src/errors.ts";
import type { Batch, StagedFile } from "../destination.ts";
import { readKeys } from "../keys/key_file.ts";
import { type KeyShape, keyShape, sameKey } from "../keys/shape.ts";
import { Supersession } from "../keys/supersession.ts";
import { localFile } from "../parquet/local_file.ts";
import type { RangeReader } from "../parquet/range_reader.ts";
import type { LakeContext } from "./context.ts";
import type { KeptFile } from "./manifest.ts";
import type { EarlierFile } from "./precondition.ts";

/** Rows whose keys are in memory at once: about 70 bytes each. Files beyond that stay. */
const MOST_ROWS = 8_000_000;

export interface EarlierFiles {
  /** Takes a file of the batch. Called before it's released. */
  readonly meet: (file: StagedFile) => Promise<void>;
  readonly close: () => { readonly kept: readonly KeptFile[]; readonly removes: readonly string[] };
}

export async function openEarlierFiles(
  lake: LakeContext,
  batch: Batch,
  earlier: readonly EarlierFile[],
  signal: AbortSignal,
): Promise<EarlierFiles> {
  const shape = keyShape(batch.columns, batch.key);
  const supersession = new Supersession(Math.min(MOST_ROWS, sum(earlier)));
  const judged: EarlierFile[] = [];
  const unknown: EarlierFile[] = [];
  let rows = 0;
  for (const file of earlier) {
    if (shape === undefined || rows + file.rows > MOST_ROWS) {
      unknown.push(file);
      continue;
    }
    const answer = await addFile(lake, file, shape, supersession, signal);
    if (answer === "read") judged.push(file);
    if (answer === "unknown") unknown.push(file);
    if (answer === "read") rows += file.rows;
  }
  return {
    async meet(file) {
      if (judged.length === 0 || shape === undefined) return;
      await using handle = await open(file.path, "r");
      const { format, extension: name } = batch;
      const keys = readKeys({ ...localFile(handle, file.bytes), format, name, shape });
      for await (const some of keys) supersession.meet(some);
    },
    close() {
      const remains = supersession.close();
      const kept = judged.flatMap((file, at) => (remains[at]?.stays ? [keptFile(file, remains[at].lost)] : []));
      return {
        kept: [...unknown.map((file) => keptFile(file, 0)), ...kept],
        removes: judged.filter((_, at) => !remains[at]?.stays).map(({ key }) => key),
      };
    },
  };
}

/** `gone`: there is no such file, or not yet. `unknown`: its rows can't be compared with the batch's. */
async function addFile(
  lake: LakeContext,
  file: EarlierFile,
  shape: KeyShape,
  supersession: Supersession,
  signal: AbortSignal,
): Promise<"read" | "gone" | "unknown"> {
  const own = keyShape(file.columns, file.keyColumns);
  if ((await lake.store.readRange(file.key, 0, 1, signal)) === undefined) return "gone";
  if (!own || !sameKey(own, shape)) return "unknown";
  const range = storedRange(lake, file, signal);
  try {
    const keys = readKeys({ ...range, format: file.format, name: file.key, shape: own });
    for await (const some of keys) supersession.add(some);
    supersession.endFile();
    return "read";
  } catch (error) {
    signal.throwIfAborted();
    // An outage passes; a file that can't be read stays.
    if (error instanceof ReplayportError) throw error;
    supersession.dropFile();
    lake.onWarning("can't read the keys of a file that an earlier batch has left, so it stays", {
      export: lake.export,
      key: file.key,
      error: messageOf(error),
    });
    return "unknown";
  }
}

export function keptFile({ keyColumns: _, committed: __, columns, ...file }: EarlierFile, lost: number): KeptFile {
  return { ...file, columns, lost };
}

export function storedRange(
  { store }: LakeContext,
  { key, bytes }: Pick<EarlierFile, "key" | "bytes">,
  signal: AbortSignal,
): RangeReader {
  return {
    bytes,
    async read(start, end) {
      const part = await store.readRange(key, start, end, signal);
      if (part?.length !== end - start) throw new Error(`it has fewer than ${end} bytes`);
      return part;
    },
  };
}

function sum(files: readonly EarlierFile[]): number {
  return files.reduce((rows, file) => rows + file.rows, 0);
}
