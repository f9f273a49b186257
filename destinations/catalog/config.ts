/** What a catalog says of itself at `/v1/config`: where its paths begin, and settings for the client. */
import { z } from "zod";
import { ReplayportError } from "../../src/errors.ts";
import { catalogError, noCatalog } from "./errors.ts";
import type { CatalogOptions } from "./options.ts";
import { bareAddress, type Send } from "./request.ts";

export interface CatalogConfig {
  /** The address that other paths are below. */
  readonly base: string;
  /** Settings that hold for every table which doesn't have its own. */
  readonly tableDefaults: Readonly<Record<string, string>>;
}

const SETTINGS = z.record(z.string(), z.string().nullish()).nullish();
const CONFIG = z.object({ defaults: SETTINGS, overrides: SETTINGS });

/** @throws ReplayportError */
export async function readConfig(options: CatalogOptions, send: Send, signal: AbortSignal): Promise<CatalogConfig> {
  const query = options.warehouse === undefined ? "" : `?warehouse=${encodeURIComponent(options.warehouse)}`;
  const name = bareAddress(options.uri);
  const reply = await send({ method: "GET", path: `v1/config${query}` }, signal);
  const what = `read the config${options.warehouse === undefined ? "" : ` of warehouse ${options.warehouse}`}`;
  if (!reply.ok) throw catalogError(reply, what, name);
  const parsed = CONFIG.safeParse(reply.json);
  if (!parsed.success) {
    throw new ReplayportError(`${name} answers, but not as an Iceberg REST catalog`, noCatalog());
  }
  const { defaults, overrides } = parsed.data;
  // The catalog's defaults come before our own options, its overrides after them.
  const settings = Object.fromEntries(
    Object.entries({ ...defaults, uri: name, ...overrides }).flatMap(([key, value]) =>
      value === null || value === undefined ? [] : [[key, value]],
    ),
  );
  const prefix = settings["prefix"] ?? "";
  return {
    base: [bareAddress(settings["uri"] ?? name), "v1", ...(prefix === "" ? [] : [prefix])].join("/"),
    tableDefaults: settings,
  };
}
