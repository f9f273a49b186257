const MIB = 1024 * 1024;

/** What S3 takes: at most 10,000 parts of 5 MiB to 5 GiB each, the last one may be smaller. */
export const MAX_PARTS = 10_000;
export const MIN_PART_BYTES = 5 * MIB;

/** A part is in memory while it's uploaded, and a retry uploads all of it. */
export const DEFAULT_PART_BYTES = 16 * MIB;

/**
 * Bytes of a part for a file of `bytes`: the default, until 10,000 of them would not do; then as much as needed, in whole
 * MiB. The SDK's own 5 MiB would end at 48.8 GiB.
 */
export function partBytesFor(bytes: number, least: number = DEFAULT_PART_BYTES): number {
  const needed = Math.ceil(bytes / MAX_PARTS);
  return needed <= least ? least : Math.ceil(needed / MIB) * MIB;
}
