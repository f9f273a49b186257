/** Whether Redis answers and takes writes, and which processes of the fleet are alive. */
import { setTimeout as sleep } from "node:timers/promises";
import type { FleetHealth } from "./fleet.ts";
import type { ReplayportError } from "../errors.ts";
import { writeToRedis } from "./redis/check.ts";
import { redisError } from "./redis/errors.ts";
import type { FleetOptions, Resources } from "./resources.ts";

/** Below the five seconds that `Fleet.health` promises. */
const HEALTH_MS = 4_000;

/** Why Redis is away, as far as connections of this process have noticed. */
interface Problems {
  /** That of the health check itself. */
  readonly asking: () => ReplayportError | undefined;
  /** Those of scheduler and worker, which need more than the single write that is tried here. */
  readonly working: () => ReplayportError | undefined;
}

/** Never rejects: a problem is part of the answer. */
export async function readHealth(
  { client, state }: Pick<Resources, "client" | "state">,
  { redis, redact, now }: Pick<FleetOptions, "redis" | "redact" | "now">,
  problems: Problems,
  signal: AbortSignal,
): Promise<FleetHealth> {
  const answered = new AbortController();
  const late = sleep(HEALTH_MS, undefined, { signal: AbortSignal.any([signal, answered.signal]) }).then(
    () => Promise.reject(new Error("no answer within 4 seconds")),
    () => Promise.reject(new Error("the health check was cancelled")),
  );
  const read = (async () => {
    const { ms, warnings } = await writeToRedis(client, redis);
    const problem = problems.working();
    if (problem) throw problem;
    return { redis: true, problem: undefined, redisMs: ms, warnings, processes: await state.processes(now()) };
  })();
  try {
    return await Promise.race([read, late]);
  } catch (error) {
    const own = redisError(error, redis);
    const { message, hint } = (own.code === "redis.unreachable" ? problems.asking() : undefined) ?? own;
    const problem = redact(hint === undefined ? message : `${message}. ${hint}`);
    return { redis: false, problem, redisMs: undefined, warnings: [], processes: [] };
  } finally {
    answered.abort();
    // The loser of the race may still reject.
    late.catch(() => undefined);
    read.catch(() => undefined);
  }
}
