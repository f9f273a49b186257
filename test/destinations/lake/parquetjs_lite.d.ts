/** The slice of parquetjs-lite that is used; the package brings no types. */
declare module "parquetjs-lite" {
  interface Metadata {
    version: number;
  }
  interface EnvelopeReader {
    readHeader(): Promise<void>;
    readFooter(): Promise<Metadata>;
  }
  interface Reader {
    getCursor(columns: readonly string[]): { next(): Promise<Record<string, unknown> | null> };
    close(): Promise<void>;
  }
  const parquetjs: {
    ParquetEnvelopeReader: { openFile(path: string): Promise<EnvelopeReader> };
    ParquetReader: { openEnvelopeReader(reader: EnvelopeReader, options: { metadata: Metadata }): Promise<Reader> };
  };
  export default parquetjs;
}

declare module "parquetjs-lite/lib/codec/index.js" {
  const codecs: Record<string, unknown>;
  export default codecs;
}
