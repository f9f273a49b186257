/** Posts to the webhook, with retries. Errors contain neither its address nor its answer: both may hold a secret. */
import { ReplayportError, giveUp, retry } from "../errors.ts";
import { type RetryOptions, type RetryPolicy, withRetries } from "../retry.ts";

/** With a Retry-After of the longest delay each time, all attempts end before a claim does (dedupe.ts). */
export const POST_RETRY: RetryPolicy = { attempts: 4, firstDelayMs: 1_000, longestDelayMs: 30_000 };
export const ANSWER_MS = 10_000;
const HINT =
  "Check alerts.webhook in the config, and that this machine can reach it. Alerts are sent once the webhook answers.";

/** @throws ReplayportError `alerts.not_sent` after the last attempt, or `signal.reason` */
export async function post(
  url: string,
  body: unknown,
  options: Pick<RetryOptions, "wait" | "random">,
  signal: AbortSignal,
): Promise<void> {
  await withRetries(async () => await attemptPost(url, body, signal), { ...options, policy: POST_RETRY }, signal);
}

async function attemptPost(url: string, body: unknown, signal: AbortSignal): Promise<void> {
  let response: Response;
  try {
    response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      // The address is a secret, so it must not follow a redirect to another host.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    await response.body?.cancel();
  } catch (error) {
    signal.throwIfAborted();
    throw notSent(`can't be reached: ${reasonOf(error)}`, retry("alerts.not_sent", HINT));
  }
  const { status } = response;
  if (response.ok) return;
  const isFinal = status < 500 && status !== 408 && status !== 429;
  const answer = isFinal ? giveUp("alerts.not_sent", HINT) : retry("alerts.not_sent", HINT, retryAfterOf(response));
  throw notSent(`answered ${status}`, answer);
}

function notSent(problem: string, classification: ReturnType<typeof retry>): ReplayportError {
  return new ReplayportError(`the alerts' webhook ${problem}`, classification);
}

/** Milliseconds that the webhook asked for, up to the longest delay: an alert that waits for an hour is worth little. */
function retryAfterOf({ headers }: Response): number | undefined {
  const seconds = Number(headers.get("retry-after") ?? Number.NaN);
  return Number.isFinite(seconds) && seconds >= 0 ? Math.min(seconds * 1000, POST_RETRY.longestDelayMs) : undefined;
}

/** `ECONNREFUSED`: the system's code, since its sentences contain the address. */
function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer within 10 seconds";
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? code : "the request failed";
}
