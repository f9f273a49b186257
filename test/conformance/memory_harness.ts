/** The destination in memory for the conformance suite, with a flaw or without. */
import { DuckDBInstance } from "@duckdb/node-api";
import type { StagedFile } from "../../destinations/destination.ts";
import { type Flaw, type MemoryRow, memoryWarehouse, SECRET } from "../support/memory_destination.ts";
import { EXPORT } from "./batches.ts";
import type { Harness } from "./harness.ts";

export function memoryHarness(flaw?: Flaw): Harness {
  const open = (reachable: boolean) => memoryWarehouse({ flaw, reachable, rowsOf, now: () => new Date() });
  return {
    type: "memory",
    countsRows: true,
    async open() {
      const warehouse = open(true);
      return {
        secrets: [SECRET],
        open: async () => warehouse.destination(EXPORT),
        rows: async () => [...warehouse.rows()],
        leftovers: async () => warehouse.leftovers(),
        ledgerText: async () => JSON.stringify(warehouse.receipts),
        [Symbol.asyncDispose]: async () => undefined,
      };
    },
    openBroken: async () => [open(false).destination(EXPORT)],
  };
}

const instance = await DuckDBInstance.create(":memory:", { threads: "1" });

async function rowsOf(file: StagedFile): Promise<MemoryRow[]> {
  const connection = await instance.connect();
  try {
    const reader = await connection.runAndReadAll(`SELECT * FROM read_parquet('${file.path}')`);
    return reader.getRowObjectsJS().map((row) => ({
      session: row["session_id"] as string,
      version: Number(row["_version"]),
      value: Number(row["value"]),
      start: row["start_time"] as Date,
    }));
  } finally {
    connection.closeSync();
  }
}
