/**
 * A deadline for work that must run even after an abort: cleanup, and finding out what a commit did. It can't use the
 * caller's signal, which may already be aborted.
 */
export function cleanupDeadline(ms = 30_000): AbortSignal {
  return AbortSignal.timeout(ms);
}
