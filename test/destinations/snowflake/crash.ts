/** Workers that are killed between two statements. */
import type { OpenSession } from "../../../destinations/snowflake/statement.ts";
import { hookedSessions } from "./fixture.ts";

/** Sessions that die at a step, and do nothing any more from there: neither clean-ups nor closing. */
export function dying(
  open: OpenSession,
  at: number,
  when: "before" | "after",
): { open: OpenSession; died: () => string | undefined } {
  let died: string | undefined;
  let steps = 0;
  const dieAt = (step: boolean, sql: string): void => {
    if (step) died = sql;
    if (died !== undefined) throw new Error("the process was killed");
  };
  const hooked = hookedSessions(open, {
    before({ sql }) {
      dieAt(false, sql);
      steps += 1;
      dieAt(when === "before" && steps === at, sql);
    },
    after: ({ sql }) => dieAt(when === "after" && steps === at, sql),
  });
  return {
    died: () => died,
    async open(purpose, signal) {
      dieAt(false, "");
      const session = await hooked(purpose, signal);
      return {
        execute: (statement, inner) => session.execute(statement, inner),
        [Symbol.asyncDispose]: () => (died === undefined ? session[Symbol.asyncDispose]() : Promise.resolve()),
      };
    },
  };
}
