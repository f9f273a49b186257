/** What a script can rely on. Documented in the README and in --help. */
export const EXIT = {
  ok: 0,
  /** A batch or a check failed; the log says which and what to do. */
  failed: 1,
  /** The command line or the config is wrong; nothing was tried. */
  usage: 2,
  /** Stopped by SIGINT (Ctrl-C); what was not loaded is due again. */
  interrupted: 130,
  /** Stopped by SIGTERM. */
  terminated: 143,
} as const;
