/** The JSON Schema of schedules.yaml, for editors and for our own messages. */
import * as z from "zod";
import { PLACEHOLDER_PATTERN } from "../values/env.ts";
import { configSchema } from "../schema.ts";
import type { SchemaNode } from "./schema_node.ts";

const ANNOTATIONS = new Set(["description", "default", "examples", "writeOnly"]);

/**
 * Allows a placeholder instead of a number, a flag, a choice or a text with a pattern. Not instead of a constant: `type`
 * tells destinations apart, and an editor couldn't help with any of them if it could be a placeholder.
 */
function allowPlaceholder(node: Record<string, unknown>): void {
  const type = node["type"];
  const narrow =
    type === "integer" ||
    type === "number" ||
    type === "boolean" ||
    "enum" in node ||
    "pattern" in node ||
    Number(node["minLength"] ?? 0) > 1;
  if (!narrow) return;
  const own: Record<string, unknown> = {};
  for (const key of Object.keys(node)) {
    if (ANNOTATIONS.has(key)) continue;
    own[key] = node[key];
    delete node[key];
  }
  node["anyOf"] = [own, { type: "string", pattern: PLACEHOLDER_PATTERN }];
}

let cached: SchemaNode | undefined;

/** Draft 7, which every editor supports. */
export function configJsonSchema(): SchemaNode {
  cached ??= toJsonSchema();
  return cached;
}

function toJsonSchema(): SchemaNode {
  const schema = z.toJSONSchema(configSchema, {
    io: "input",
    target: "draft-07",
    override: ({ zodSchema, jsonSchema, path }) => {
      // zod omits the examples of a text that is parsed: it can't know that ours are of the text.
      const examples: unknown = z.globalRegistry.get(zodSchema)?.["examples"];
      if (Array.isArray(examples)) jsonSchema.examples = examples;
      if (path.at(-1) !== "propertyNames") allowPlaceholder(jsonSchema);
    },
  });
  return { title: "Replayport schedules", ...schema } as SchemaNode;
}
