/** Files of position deletes: which rows of a data file are dead. https://iceberg.apache.org/spec/#position-delete-files */
import { parquetWriteBuffer } from "../parquet/writer.ts";
import { parquetColumns } from "../parquet/columns.ts";
import type { RangeReader } from "../parquet/range_reader.ts";
import type { DataFile } from "./manifest.ts";

/** Reserved ids: readers find the columns by them. */
const FILE_PATH_ID = 2_147_483_546;
const POSITION_ID = 2_147_483_545;

/**
 * @param dataFile the path of the one file whose rows are dead
 * @param positions ascending, from 0; one at least
 */
export function writePositionDeletes(
  dataFile: string,
  positions: readonly number[] | Uint32Array,
): { readonly bytes: Uint8Array; readonly describe: (path: string) => DataFile } {
  const bytes = new Uint8Array(
    parquetWriteBuffer({
      columnData: [
        { name: "file_path", data: Array.from({ length: positions.length }, () => dataFile) },
        { name: "pos", data: BigInt64Array.from(positions, BigInt) },
      ],
      schema: [
        { name: "table", num_children: 2 },
        {
          name: "file_path",
          type: "BYTE_ARRAY",
          repetition_type: "REQUIRED",
          converted_type: "UTF8",
          logical_type: { type: "STRING" },
          field_id: FILE_PATH_ID,
        },
        { name: "pos", type: "INT64", repetition_type: "REQUIRED", field_id: POSITION_ID },
      ],
      // Readers compare the whole path with the bounds.
      statisticsTruncateLength: Infinity,
      rowGroupSize: ROW_GROUP,
    }),
  );
  const path = Buffer.from(dataFile);
  const bound = new Map([[FILE_PATH_ID, path]]);
  return {
    bytes,
    describe: (deleteFile) => ({
      content: "position-deletes",
      path: deleteFile,
      format: "PARQUET",
      rows: positions.length,
      bytes: bytes.length,
      // Equal bounds say, to readers that don't know `referencedDataFile`, that it's about one file.
      lowerBounds: bound,
      upperBounds: bound,
      referencedDataFile: dataFile,
    }),
  };
}

const ROW_GROUP = 1_000_000;

/** Dead rows in order of the file: the data files' paths, and the positions in them. Other writers put several files in one. */
export async function* readPositionDeletes(
  file: RangeReader,
): AsyncIterable<{ readonly path: string; readonly position: number }> {
  for await (const [paths, positions] of parquetColumns(file, ["file_path", "pos"])) {
    // Paths repeat, and making a text is what takes time.
    let last: Uint8Array | undefined;
    let path = "";
    for (let row = 0; row < (positions?.length ?? 0); row += 1) {
      const bytes = paths?.[row];
      if (!(bytes instanceof Uint8Array)) throw new Error("a position delete without a path");
      if (bytes !== last && !(last && Buffer.compare(bytes, last) === 0)) {
        path = Buffer.from(bytes).toString();
        last = bytes;
      }
      yield { path, position: Number(positions?.[row]) };
    }
  }
}

/** The data file that a file of position deletes is about, if the manifest says that there's only one. */
export function deletedFrom(file: DataFile): string | undefined {
  if (file.referencedDataFile !== undefined) return file.referencedDataFile;
  const [lower, upper] = [file.lowerBounds?.get(FILE_PATH_ID), file.upperBounds?.get(FILE_PATH_ID)];
  // Others cut their bounds, and a cut upper one is raised: then they differ.
  if (!lower || !upper || Buffer.compare(lower, upper) !== 0) return undefined;
  return Buffer.from(lower).toString();
}
