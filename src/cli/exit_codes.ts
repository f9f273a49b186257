/** Scripts rely on these. The README and --help document them. */
export const EXIT = {
  ok: 0,
  /** A batch or a check failed. */
  failed: 1,
  /** The command line or the config is wrong; nothing was tried. */
  usage: 2,
  /** Stopped by SIGINT (Ctrl-C). */
  interrupted: 130,
  /** Stopped by SIGTERM. */
  terminated: 143,
} as const;
