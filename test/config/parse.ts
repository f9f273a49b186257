/** Parses configs in memory, on top of one that is right. */
import assert from "node:assert/strict";
import { stringify } from "yaml";
import { type Config, parseConfig } from "../../src/config/config.ts";
import type { Environment } from "../../src/config/values/env.ts";
import type { Problem } from "../../src/config/problems/problems.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";

export type Fields = Readonly<Record<string, unknown>>;

export const EXPORT: Fields = {
  model: "session_replays",
  team_id: 1,
  destination: "local",
  schedule: "@hourly",
  start: "2026-10-01",
};

export const BASE: Fields = {
  source: { embedded: "./data" },
  destinations: { local: { type: "file", path: "./lake" } },
  exports: { replays: EXPORT },
};

/** A config with one export that has these keys besides. */
export const withExport = (fields: Fields, top: Fields = {}): Fields => ({
  ...BASE,
  exports: { replays: { ...EXPORT, ...fields } },
  ...top,
});

export const S3: Fields = { type: "s3", bucket: "acme-lake" };
export const withS3 = (fields: Fields): Fields => ({ ...BASE, destinations: { local: { ...S3, ...fields } } });

export interface Options {
  readonly env?: Environment;
  readonly files?: Readonly<Record<string, string>>;
}

async function parse(config: Fields | string, { env = {}, files = {} }: Options) {
  const text = typeof config === "string" ? config : stringify(config, { lineWidth: 0 });
  return await parseConfig(text, {
    file: "/etc/replayport/schedules.yaml",
    env,
    read: async (path) => {
      const found = files[path];
      if (found === undefined) throw Object.assign(new Error(`no file ${path}`), { code: "ENOENT" });
      return await Promise.resolve(found);
    },
  });
}

export async function problemsOrNone(config: Fields, options: Options = {}): Promise<readonly Problem[]> {
  const result = await parse(config, options);
  return "problems" in result ? result.problems : [];
}

export async function problemsOf(config: Fields | string, options: Options = {}): Promise<readonly Problem[]> {
  const result = await parse(config, options);
  assert.ok("problems" in result, "the config was taken for a right one");
  return result.problems;
}

export async function configOf(config: Fields | string, options: Options = {}): Promise<Config> {
  const result = await parse(config, options);
  assert.deepEqual("problems" in result ? result.problems : [], []);
  assert.ok("config" in result);
  return result.config;
}

/** The definition of an export with these keys besides. */
export async function exportOf(fields: Fields, top: Fields = {}, options: Options = {}): Promise<ExportDefinition> {
  const [definition] = (await configOf(withExport(fields, top), options)).exports;
  assert.ok(definition);
  return definition;
}
