/**
 * What the checks of warehouses load and read back: one row in a file as ClickHouse 26 writes it (Parquet, zstd). It shows how
 * an account reads such files: times to the microsecond, lists, NULLs, empty texts, 64-bit numbers.
 */
import { randomBytes } from "node:crypto";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";
import { giveUp, ReplayportError } from "../../src/errors.ts";
import { interval } from "../../src/intervals/interval.ts";
import type { Column } from "../../src/models/column.ts";
import type { Batch } from "../destination.ts";
import { claimFolder } from "../files/private_folder.ts";
import { stagedFile } from "../files/staged_file.ts";

const GZIPPED =
  "H4sIAAAAAAACA81WXWwUVRQ+cxm2w7JttoVzndER18rebgFpoXRZTKOLvjRmE5H40Afsuj9D2LBtsTMQfGua4AMiMYhRaiOk9IGYhviApCaghCAB5E" +
  "d8IEAaowSThkSCDQ8V8Sd3/tvdTVgtiZP9OXPumfOd78y955wN6zeuQhHD2Ipfnbw5HuhAggAQ+7LlT7ErCSCAdQkAHx0YHUHAADLce/vB5ToVCYYx" +
  "gAFVlhwzT0qU0dXXu65lAIFwr8r+T7JsN1FRVKIQVuQaQ8v0pAt5DFFCTwt0kLBuJlUDkQIAFDGGnXj+yOGHdTMoHQIIA0C/tq2YeWdbX7/xfG6Llt" +
  "sqALx9YzpWnl5XeLa5XKKpSO3UfBVDFrWgrul6oa/XYfeDQPcRNiyyo/MeFSNFIxY7CWN4ZWRycv4MdhH3ZR37cWoTAjbgajz+wa67kscmDjGQ/a+i" +
  "E4AAABGsqC8UXw+zMYlH3R7gYS/YXOjXjfT2/qIZ9aBATwtsvIbd8flKUWhmphsUcQ2+gVffP/+x0IGiF9v3AA0AsMUwtukvtLRkcj3aSkPTjRY74m" +
  "axqQUBl+CL+PfuS9O1qrktzfw3lD40g8FOi8E8wn9FQZhHBIA/zl18k51Y6PJISJlikbPQxWJBN2q0otaj9RoYoiK9KdAhwoaDbGRBZbQUXaowQhQG" +
  "osWTH5qDk/cuCbMPTXLwinxiU4Cz2nVw4a+VDo1j5kmJMrqKO+t+nXtogrqR6TfSRqFH852bc7VsKlQNTsrj9eE3I9+Js3n99vNQh82rS/qlIi/HzJ" +
  "MSZXQVeY02uLwkrTc/m9V0mI2Eq0ExWQGGcAX+NX7nKuGhgnUUiBtCq30IeBSHX7vH2BeLVQQlGgBFDhb0dF4raoZmnduXaZZdXtQRJ5Bax/hTTtKu" +
  "vTdxoyRp1jX9kgDw+4VNWyslzTHzpEQZXcWk7X1CxaCVtLpMzijs0NK6luvrzeu+1N1CtgerwUr9Lzb62Se9DZHeofXzGupjNaSwM/K/3OZHBz69vr" +
  "Ck503e//akxWrjgTNvVex5tpknJcroKrKaetplFUprO3mZ1/LpjOFjdlZl956qBslkllRVAOfLLwmczW3+meVLStplt8Q8aRlJ1nNmtxTBGQSEUu8R" +
  "u/US0zhpueB6LpSaNwrWciMAtEKSm23gT0cAwrPNiePGCcQKbYDrBspRDVvAgh1z0vrjd8mymREdO8FmOABu/NJ/DQbEyExT0RSsHi0q9UTxxhafiA" +
  "DmWkn7L6NybEGRAUGh3m2ZJuYYu0fBJ7prTt30ieaa4IEQ29SpEz7xkSCc/eoT+ZpKu3FMoGCKwyKOOvJ4DRqOOoiHHPW5Ws98OuzJlxdh1hZvoace" +
  "Ujz5rGrLKCoTnQE9t0XryeBiQDEK7gAKGIqCf2aLQoq/WAxFiW8msrXtILvzBRIMpDq4UpTNWQOJ5cyZORxPogngtu7o4tSeenWFtQv4mtv+ZqxAlP" +
  "hbEmAwCrOLvv28Uy2t2xllxu+SEkVVxuZ2Cmejz2C3CkD3LUNKp6KYgDmehdlgBLtVPhDTI8tQpp8z7IKqJ1f2k+nFHl/pKR7tYBMugTmdHdnXz3IU" +
  "3wBJr/GYDzVhBzyGSY4NN1rZv8tRJpp49ud6rmIPbIx3l6NM98c4RjVTE/1sOVJ6McZz/XjGF3b9OSvCYzzCO2aEcz1MsONLLYyLHGOkmWM8jtbO9k" +
  "ctnNsc5ybHoQ9rKWESnWiA2KuvFAu5rZ1923UtYrOKrI6vXLtydSSW3V4o5iOZ+Kr2eFtrW35zvD3X1ro2m88msvG4tk5bl8u1x9vWtq2JZ+LZRLMy" +
  "xntY5Q/E5wNsWL9x1T9xdWZIPBAAAA==";

const PROBE_FILE: Buffer = gunzipSync(Buffer.from(GZIPPED, "base64"));

const PROBE_KEY: readonly string[] = ["team_id", "session_id"];

const PROBE_COLUMNS: readonly Column[] = [
  column("team_id", "int64"),
  column("session_id", "string"),
  { ...column("first_url", "string"), nullable: true, privacy: "content" },
  column("all_urls", "string[]"),
  column("start_time", "timestamp"),
  column("end_time", "timestamp"),
  { ...column("is_deleted", "bool"), nullable: true },
  column("active_seconds", "float64"),
  column("_version", "int64"),
  column("_exported_at", "timestamp"),
];

/** A row of the probe, as a warehouse's `check` reads it back: times in microseconds since 1970. */
export const PROBE_ROW = {
  session_id: "replayport-check",
  /** Empty, and so not NULL. */
  first_url: "",
  all_urls: ["https://acme.test/", ""],
  /** 2026-10-01T00:00:00.123456Z */
  start_us: 1_790_812_800_123_456,
  end_us: 1_790_813_400_654_321,
  is_deleted: null,
  active_seconds: 1.5,
  version: 1_790_812_800_123_456,
  exported_us: 1_790_820_000_000_001,
} as const;

export interface Probe extends AsyncDisposable {
  readonly batch: Batch;
}

/**
 * A batch of that one row. Disposing it removes its file.
 * @param parent a folder that may be written, since nothing else may be
 */
export async function openProbe(exportName: string, readAt: Date, parent?: string): Promise<Probe> {
  if (parent !== undefined) await claimFolder(parent);
  const folder = await mkdtemp(join(parent ?? tmpdir(), "replayport-check-"));
  const path = join(folder, "0.parquet");
  await writeFile(path, PROBE_FILE);
  const file = await stagedFile(path, { rows: 1 });
  const attempt = randomBytes(6).toString("hex");
  return {
    batch: {
      id: `check/${attempt}`,
      export: exportName,
      interval: interval("2026-10-01T00:00:00Z", "2026-10-01T01:00:00Z"),
      attempt,
      format: "parquet",
      extension: ".parquet",
      columns: PROBE_COLUMNS,
      key: PROBE_KEY,
      fingerprint: "0000000000000000",
      readAt,
      sourceVersion: "check",
      sourceColumns: [],
      // oxlint-disable-next-line typescript/require-await -- a list that is pulled from.
      files: (async function* once() {
        yield file;
      })(),
    },
    [Symbol.asyncDispose]: () => rm(folder, { recursive: true, force: true }),
  };
}

/**
 * Compares the values, not only the number of rows: an account in which times or lists come out wrong is found as well.
 * @param rows all rows of the probe's table, under PROBE_ROW's names in any case; the list as it is, or as JSON
 */
export function expectProbe(rows: readonly Readonly<Record<string, unknown>>[]): void {
  const seen = rows.map((row) => {
    const value = new Map(Object.entries(row).map(([name, each]) => [name.toLowerCase(), each]));
    return Object.fromEntries(
      Object.entries(PROBE_ROW).map(([name, wanted]) => [name, likewise(value.get(name), wanted)]),
    );
  });
  if (JSON.stringify(seen) === JSON.stringify([PROBE_ROW])) return;
  throw new ReplayportError(
    `the check read back ${JSON.stringify(seen)}, but it had loaded ${JSON.stringify(PROBE_ROW)}`,
    giveUp(
      "warehouse.read_back",
      "Look for a row access policy or a default that changes rows. If there is none, set the export's `format` to jsonl, and report this message.",
    ),
  );
}

/** Clients give numbers as text, and lists as JSON. */
function likewise(value: unknown, wanted: unknown): unknown {
  if (typeof value !== "string") return value ?? null;
  if (typeof wanted === "number") return Number(value);
  return Array.isArray(wanted) ? (JSON.parse(value) as unknown) : value;
}

function column(name: string, type: Column["type"]): Column {
  return { name, type, nullable: false, privacy: "none", description: "Of Replayport's check." };
}
