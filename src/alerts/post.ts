/** Posts to the webhook, a few times if need be. Neither its address nor what it answers is in any error: both may hold a secret. */
import { setTimeout as sleep } from "node:timers/promises";
import { ReplayportError } from "../errors.ts";

export type Wait = (ms: number, signal: AbortSignal) => Promise<void>;

const ATTEMPTS = 4;
const FIRST_PAUSE_MS = 1_000;
const LONGEST_PAUSE_MS = 30_000;
const ANSWER_MS = 10_000;

export const wait: Wait = async (ms, signal) => {
  await sleep(ms, undefined, { signal });
};

/** @throws ReplayportError `alerts.not_sent` after the last attempt, or `signal.reason` */
export async function post(url: string, body: unknown, pause: Wait, signal: AbortSignal): Promise<void> {
  for (let attempt = 1; ; attempt += 1) {
    const problem = await attemptPost(url, body, signal);
    if (problem === undefined) return;
    if (attempt === ATTEMPTS || problem.final) {
      throw new ReplayportError(`the alerts' webhook ${problem.message}`, {
        code: "alerts.not_sent",
        remedy: problem.final ? "give-up" : "retry",
        hint: "Look at alerts.webhook in the config, and whether this machine may reach it. The alerts are sent once it answers.",
      });
    }
    await pause(Math.min(problem.retryAfterMs ?? FIRST_PAUSE_MS * 4 ** (attempt - 1), LONGEST_PAUSE_MS), signal);
  }
}

interface Problem {
  readonly message: string;
  readonly final: boolean;
  readonly retryAfterMs?: number;
}

async function attemptPost(url: string, body: unknown, signal: AbortSignal): Promise<Problem | undefined> {
  try {
    const response = await fetch(url, {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify(body),
      // The address is a secret: it is not carried on to wherever an answer points.
      redirect: "manual",
      signal: AbortSignal.any([signal, AbortSignal.timeout(ANSWER_MS)]),
    });
    await response.body?.cancel();
    if (response.ok) return undefined;
    const { status } = response;
    const seconds = Number(response.headers.get("retry-after") ?? Number.NaN);
    return {
      message: `answered ${status}`,
      final: status < 500 && status !== 408 && status !== 429,
      ...(Number.isFinite(seconds) && seconds >= 0 ? { retryAfterMs: seconds * 1000 } : {}),
    };
  } catch (error) {
    signal.throwIfAborted();
    return { message: `cannot be reached: ${reasonOf(error)}`, final: false };
  }
}

/** `ECONNREFUSED`: a word of the system's, since its sentences name the address. */
function reasonOf(error: unknown): string {
  if (error instanceof DOMException && error.name === "TimeoutError") return "no answer within 10 seconds";
  const cause: unknown = error instanceof Error ? error.cause : undefined;
  const code = typeof cause === "object" && cause !== null && "code" in cause ? cause.code : undefined;
  return typeof code === "string" ? code : "the request failed";
}
