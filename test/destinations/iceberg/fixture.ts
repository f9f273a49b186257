/** A table of a test's own, and batches for it. */
import { suite, test } from "node:test";
import type { Batch, Destination, DestinationDeps } from "../../../destinations/destination.ts";
import type { IcebergOptions } from "../../../destinations/iceberg/options.ts";
import type { Column } from "../../../src/models/column.ts";
import { BatchMaker, column, EXPORT, hours } from "../../support/batches.ts";
import type { Crash } from "../../support/crash.ts";
import { freshOptions, icebergPlace, type IcebergPlace, openTestTable } from "./harness.ts";
import type { AboutTable } from "./reader.ts";

export const SIGNAL = AbortSignal.timeout(300_000);

export const COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string"),
  column("start_time", "timestamp"),
  column("value", "int64", { nullable: true }),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

/** A row of a batch: its session, its version, and what else it has, as SQL by column. */
export type SqlRow = readonly [session: string, version: number, more?: Readonly<Record<string, string>>];

/** Makes batches of one file for each list of rows, each read one minute after the one before. */
export interface SqlBatches extends AsyncDisposable {
  batch(hour: number, files: readonly (readonly SqlRow[])[], columns?: readonly Column[]): Promise<Batch>;
}

export interface Fixture extends SqlBatches {
  readonly options: IcebergOptions;
  open(deps?: Partial<DestinationDeps>, around?: Crash["step"], options?: Partial<IcebergOptions>): Destination;
  /** The rows as a reader sees them, by session; some columns of them. */
  rows(...columns: readonly string[]): Promise<Record<string, unknown>[]>;
  about(): Promise<AboutTable>;
}

export async function openFixture(place: IcebergPlace, more: Partial<IcebergOptions> = {}): Promise<Fixture> {
  const batches = await openBatches();
  const options = { ...freshOptions(place.found), ...more };
  const table = { namespace: options.namespace, table: options.table ?? EXPORT };
  return {
    ...batches,
    options,
    open: (deps, around, others) => openTestTable({ ...options, ...others }, deps, around ? { around } : {}),
    async rows(...columns) {
      const rows = (await place.reader.rows(table, columns)) ?? [];
      return rows.sort((one, other) => (String(one["session_id"]) < String(other["session_id"]) ? -1 : 1));
    },
    async about() {
      const about = await place.reader.about(table);
      if (!about) throw new Error("there is no table");
      return about;
    },
  };
}

export async function openBatches(): Promise<SqlBatches> {
  const maker = await BatchMaker.open();
  let minute = 0;
  return {
    async batch(hour, files, columns = COLUMNS) {
      minute += 1;
      const readAt = new Date(Date.UTC(2026, 9, 2, 0, minute));
      const select = (rows: readonly SqlRow[]): string =>
        rows
          .map((row) => `SELECT ${columns.map((one) => `${valueOf(one, row, readAt)} AS "${one.name}"`).join(", ")}`)
          .join("\nUNION ALL ");
      return await maker.make({ of: hours(hour), columns, files: files.map(select), readAt });
    },
    [Symbol.asyncDispose]: () => maker[Symbol.asyncDispose](),
  };
}

const SQL_TYPES: Readonly<Record<Column["type"], string>> = {
  string: "VARCHAR",
  int64: "BIGINT",
  float64: "DOUBLE",
  bool: "BOOLEAN",
  timestamp: "TIMESTAMP",
  "string[]": "VARCHAR[]",
  "timestamp[]": "TIMESTAMP[]",
};

function valueOf({ name, type }: Column, [session, version, more = {}]: SqlRow, readAt: Date): string {
  const values: Readonly<Record<string, string>> = {
    team_id: "1",
    session_id: `'${session}'`,
    start_time: "'2026-10-01 12:00:00'",
    _version: String(version),
    _exported_at: `'${readAt.toISOString().slice(0, 19)}'`,
    ...more,
  };
  return `CAST(${values[name] ?? "NULL"} AS ${SQL_TYPES[type]})`;
}

/** Registers tests that need the server; without it one skipped test says why. */
export async function withPlace(title: string, register: (place: IcebergPlace) => void): Promise<void> {
  const place = await icebergPlace();
  suite(title, () => {
    if ("skip" in place) test(title, { skip: place.skip }, () => undefined);
    else register(place);
  });
}
