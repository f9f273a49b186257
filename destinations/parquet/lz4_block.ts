/** Decompresses one LZ4 block, Parquet's LZ4_RAW. Node.js has no LZ4. https://github.com/lz4/lz4/blob/dev/doc/lz4_Block_format.md */
export function lz4Block(input: Uint8Array, bytes: number): Uint8Array {
  const output = new Uint8Array(bytes);
  let from = 0;
  let to = 0;
  /** A length of 15 continues in the following bytes, up to the first one below 255. */
  const length = (nibble: number): number => {
    let total = nibble;
    if (nibble !== 15) return total;
    for (;;) {
      const more = input[from] ?? 0;
      from += 1;
      total += more;
      if (more !== 255) return total;
    }
  };
  while (from < input.length) {
    const token = input[from] ?? 0;
    from += 1;
    const literals = length(token >> 4);
    output.set(input.subarray(from, from + literals), to);
    from += literals;
    to += literals;
    if (from >= input.length) break;
    const distance = (input[from] ?? 0) | ((input[from + 1] ?? 0) << 8);
    from += 2;
    const end = to + length(token & 15) + 4;
    if (distance === 0 || distance > to || end > bytes) throw new Error("a broken LZ4 block");
    // Byte by byte: source and target may overlap, which repeats a pattern.
    for (; to < end; to += 1) output[to] = output[to - distance] ?? 0;
  }
  if (to !== bytes) throw new Error("a broken LZ4 block");
  return output;
}
