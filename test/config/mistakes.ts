/** A table of wrong configs, each with the problems and the fix to report. Nothing else may be reported. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import { BASE, EXPORT, type Fields, type Options, problemsOf, withExport, withS3 } from "./parse.ts";

export interface Case {
  readonly config: Fields | string;
  /** `path: message`, in the order in which they are found. */
  readonly problems: readonly string[];
  /** Matches the fix of the first problem. */
  readonly fix: RegExp;
  readonly options?: Options;
}

export const one = (fields: Fields, problem: string, fix: RegExp, options: Options = {}): Case => ({
  config: withExport(fields),
  problems: [`exports.replays.${problem}`],
  fix,
  options,
});
export const top = (fields: Fields, problem: string, fix: RegExp, options: Options = {}): Case => ({
  config: { ...BASE, ...fields },
  problems: [problem],
  fix,
  options,
});
export const s3 = (fields: Fields, problem: string, fix: RegExp): Case => ({
  config: withS3(fields),
  problems: [`destinations.local.${problem}`],
  fix,
});
export const clickhouse = (fields: Fields, problem: string, fix: RegExp): Case =>
  top({ source: { clickhouse: { url: "http://host:8123", ...fields } } }, `source.clickhouse.${problem}`, fix);
export const yaml = (config: string, problem: string, fix: RegExp): Case => ({ config, problems: [problem], fix });
export const without = (key: string): Case => {
  const { [key]: _, ...rest } = EXPORT;
  return {
    config: { ...BASE, exports: { replays: rest } },
    problems: [`exports.replays.${key}: is missing`],
    fix: /./,
  };
};

export const NO_SALT = "columns.hash: needs a salt";
export const SALT = { hash_salt: "0123456789abcdef" };
export const salted = (columns: Fields, problem: string, fix: RegExp): Case => ({
  config: withExport({ columns }, SALT),
  problems: [`exports.replays.columns.${problem}`],
  fix,
});

/** @param title what refuses them: each test is named `title refuses …` */
export function testMistakes(title: string, cases: Readonly<Record<string, Case>>): void {
  suite(`mistakes in ${title}`, () => {
    for (const [name, { config, problems, fix, options }] of Object.entries(cases)) {
      test(`${title} refuses ${name}`, async () => {
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
