/** The JSON Schema of schedules.yaml: help in editors, and the texts of our own messages. */
import * as z from "zod";
import { PLACEHOLDER_PATTERN } from "../values/env.ts";
import { isRecord, type Path } from "./path.ts";
import { configSchema } from "../schema.ts";

/** The part of JSON Schema that the config's schema is made of. */
export interface SchemaNode {
  readonly description?: string;
  readonly examples?: readonly unknown[];
  readonly type?: string;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly additionalProperties?: SchemaNode | false;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

const ANNOTATIONS = new Set(["description", "default", "examples"]);

/**
 * Lets a placeholder stand for a number, a flag, a choice or a text of a certain form. Constants are left alone: `type`
 * tells the destinations apart, and an editor could not help with any of them if it took a placeholder.
 */
function allowPlaceholder(node: Record<string, unknown>): void {
  const type = node["type"];
  const narrow = type === "integer" || type === "number" || type === "boolean" || "enum" in node || "pattern" in node;
  if (!narrow) return;
  const own: Record<string, unknown> = {};
  for (const key of Object.keys(node)) {
    if (ANNOTATIONS.has(key)) continue;
    own[key] = node[key];
    delete node[key];
  }
  node["anyOf"] = [own, { type: "string", pattern: PLACEHOLDER_PATTERN }];
}

/** Draft 7, which every editor knows. */
export function configJsonSchema(): SchemaNode {
  const schema = z.toJSONSchema(configSchema, {
    io: "input",
    target: "draft-07",
    override: ({ zodSchema, jsonSchema, path }) => {
      // zod leaves the examples of a text that is parsed out: it cannot know that ours are of the text.
      const examples: unknown = z.globalRegistry.get(zodSchema)?.["examples"];
      if (Array.isArray(examples)) jsonSchema.examples = examples;
      if (path.at(-1) !== "propertyNames") allowPlaceholder(jsonSchema);
    },
  });
  return { title: "Replayport schedules", ...schema } as SchemaNode;
}

/** The node that describes a place, given what stands there; of several forms the one that the value seems to be. */
export function describedAt(root: SchemaNode, path: Path, tree: unknown): SchemaNode | undefined {
  let node: SchemaNode | undefined = root;
  let value = tree;
  for (const part of path) {
    const form: SchemaNode | undefined = node && formOf(node, value);
    if (!form) return undefined;
    const rest: SchemaNode | undefined = form.additionalProperties === false ? undefined : form.additionalProperties;
    const own: SchemaNode["properties"] = form.properties;
    const key = String(part);
    node = typeof part === "number" ? form.items : own && Object.hasOwn(own, key) ? own[key] : rest;
    value = typeof value === "object" && value !== null ? (value as Record<string, unknown>)[key] : undefined;
  }
  return node;
}

/** Of a union, the member that the value seems to be. */
export function formOf(node: SchemaNode, value: unknown): SchemaNode | undefined {
  const forms = node.anyOf ?? node.oneOf;
  if (!forms) return node;
  if (Array.isArray(value)) return forms.find((form) => form.items);
  if (!isRecord(value)) return forms.find((form) => form.properties ?? form.items);
  const objects = forms.filter((form) => form.properties ?? form.additionalProperties);
  return objects.find((form) => form.properties?.["type"]?.const === value["type"]) ?? objects[0];
}
