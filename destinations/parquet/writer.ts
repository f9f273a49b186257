/** What writes Parquet files. */
export { fileWriter, ParquetWriter, parquetWriteBuffer } from "hyparquet-writer";
