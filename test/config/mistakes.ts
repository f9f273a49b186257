/** A table of wrong configs, each with the place, the message and the fix that it gets. Nothing else may be reported. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { type Fields, type Options, problemsOf, withExport } from "./parse.ts";

export interface Case {
  readonly config: Fields | string;
  /** `path: message`, in the order in which they are found. */
  readonly problems: readonly string[];
  /** Stands in the fix of the first. */
  readonly fix: RegExp;
  readonly options?: Options;
}

export const one = (fields: Fields, problem: string, fix: RegExp, options: Options = {}): Case => ({
  config: withExport(fields),
  problems: [`exports.replays.${problem}`],
  fix,
  options,
});
export function testMistakes(title: string, cases: Readonly<Record<string, Case>>): void {
  suite(title, () => {
    for (const [name, { config, problems, fix, options }] of Object.entries(cases)) {
      test(name, async () => {
        const found = await problemsOf(config, options);
        assert.deepEqual(
          found.map(({ path, message }) => [path, message].filter((text) => text !== "").join(": ")),
          problems,
        );
        assert.match(found[0]?.fix ?? "", fix);
        assert.ok(found.every((problem) => problem.fix !== "" && problem.file.endsWith("schedules.yaml")));
      });
    }
  });
}
