/** What the core does about an error: retry the batch later, or stop until somebody has changed something. */
export type Remedy = "retry" | "give-up";

export interface ReplayportErrorOptions {
  /** A stable name for scripts and dashboards, for example `source.unreachable`. Never matched by class name. */
  readonly code: string;
  readonly remedy: Remedy;
  /** What the operator does next: a command, a grant, a key of the config. A sentence. */
  readonly hint?: string;
  /** Milliseconds that the other side asked us to wait. */
  readonly retryAfterMs?: number;
  readonly cause?: unknown;
}

/** The one error class: the message says what happened to what, `remedy` and `hint` what to do about it. */
export class ReplayportError extends Error {
  override readonly name = "ReplayportError";
  readonly code: string;
  readonly remedy: Remedy;
  readonly hint: string | undefined;
  readonly retryAfterMs: number | undefined;

  constructor(message: string, options: ReplayportErrorOptions) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.code = options.code;
    this.remedy = options.remedy;
    this.hint = options.hint;
    this.retryAfterMs = options.retryAfterMs;
  }
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

/** How an adapter classifies another system's error: our code, whether to retry, and what the operator does. */
export type Classification = Pick<ReplayportErrorOptions, "code" | "remedy" | "hint" | "retryAfterMs">;

/** Nothing changes until a person does something. */
export function giveUp(code: string, hint: string): Classification {
  return { code, remedy: "give-up", hint };
}

/** The same work may succeed later, by itself. */
export function retry(code: string, hint: string, retryAfterMs?: number): Classification {
  return { code, remedy: "retry", hint, ...(retryAfterMs === undefined ? {} : { retryAfterMs }) };
}
