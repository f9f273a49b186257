/** Sessions of a worker that is killed: each statement is a step. */
import type { OpenSession } from "../../../destinations/snowflake/statement.ts";
import type { Crash } from "../../support/crash.ts";

/**
 * A dead worker's session stays open with whatever transaction it had. The layer over the emulator rolls it back when another
 * transaction waits for it; in Snowflake that takes 5 minutes.
 */
export function crashingSessions(open: OpenSession, crash: Crash): OpenSession {
  return async (purpose, signal) => {
    if (crash.at !== undefined) throw new Error("the worker was killed");
    const session = await open(purpose, signal);
    return {
      execute: (statement, inner) => crash.step(statement.sql, () => session.execute(statement, inner)),
      [Symbol.asyncDispose]: async () => {
        if (crash.at === undefined) await session[Symbol.asyncDispose]();
      },
    };
  };
}
