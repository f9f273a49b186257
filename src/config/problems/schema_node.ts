/** The config's JSON Schema as a tree to search: what describes a place, and what may stand there. */
import { isRecord, type Path } from "./path.ts";

/** The part of JSON Schema that the config's schema is made of. */
export interface SchemaNode {
  readonly description?: string;
  readonly default?: unknown;
  readonly examples?: readonly unknown[];
  readonly type?: string;
  readonly pattern?: string;
  readonly minimum?: number;
  readonly maximum?: number;
  /** Marks a secret. */
  readonly writeOnly?: boolean;
  readonly const?: unknown;
  readonly enum?: readonly unknown[];
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly additionalProperties?: SchemaNode | false;
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly oneOf?: readonly SchemaNode[];
}

/** The node that describes a place. In a union it follows the member that the value there looks like. */
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

/** Of a union, the member that the value looks like. */
export function formOf(node: SchemaNode, value: unknown): SchemaNode | undefined {
  const forms = node.anyOf ?? node.oneOf;
  if (!forms) return node;
  if (Array.isArray(value)) return forms.find((form) => form.items);
  if (!isRecord(value)) return forms.find((form) => form.properties ?? form.items);
  const objects = forms.filter((form) => form.properties ?? form.additionalProperties);
  return objects.find((form) => form.properties?.["type"]?.const === value["type"]) ?? objects[0];
}
