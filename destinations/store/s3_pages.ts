import { ReplayportError, retry } from "../../src/errors.ts";

/**
 * Where the next page of a listing begins; undefined after the last one. A server that has more, and doesn't say where, would be
 * believed to have no more; one that always says the same place would be asked for ever.
 */
export function nextPage(
  name: string,
  isTruncated: boolean | undefined,
  next: string | undefined,
  last: string | undefined,
): string | undefined {
  if (isTruncated !== true) return undefined;
  if (next !== undefined && next !== "" && next !== last) return next;
  throw new ReplayportError(
    `${name}: the server says that its list goes on, but not where`,
    retry(
      "store.broken_listing",
      "If it keeps failing, the server's ListObjectsV2 is faulty: update it, or use another one.",
    ),
  );
}
