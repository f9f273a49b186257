/**
 * Our own files beside a table's metadata: JSON in an Avro file. Storage that knows tables, such as S3 Tables, may take only
 * kinds of files there that tables have.
 */
import { z } from "zod";
import { readAvro } from "../avro/read.ts";
import { writeAvro } from "../avro/write.ts";

const SCHEMA = { type: "record", name: "replayport", fields: [{ name: "json", type: "string" }] } as const;
const RECORDS = z.tuple([z.object({ json: z.string() })]);

export function writeJsonFile(value: unknown): Uint8Array {
  return writeAvro({ schema: SCHEMA, records: [{ json: JSON.stringify(value) }] });
}

/** @throws Error if it's none */
export function readJsonFile(bytes: Uint8Array): unknown {
  const [{ json }] = RECORDS.parse(readAvro(bytes).records);
  return JSON.parse(json);
}
