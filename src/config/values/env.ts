/**
 * Values from the environment: `${NAME}`, `${NAME:-default}`, and `$${` for a literal `${`.
 *
 * Only values that are strings are replaced, and only after the YAML is parsed, so a variable can't become a key or a list.
 * An empty variable counts as missing, because an empty password nearly always means that a deployment forgot it.
 * `${NAME:-}` allows it to be empty.
 */
import { markOf } from "../missing.ts";
import { type Path, pathKey } from "../problems/path.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** Matches a string that holds a placeholder: what the JSON Schema allows in place of any number, flag or choice. */
export const PLACEHOLDER_PATTERN = String.raw`\$\{[A-Za-z_][A-Za-z0-9_]*(:-[^}]*)?\}`;

const TOKEN = /\$\$\{|\$\{([^}]*)(\}?)/g;
const REFERENCE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;
const WHOLE = new RegExp(`^${PLACEHOLDER_PATTERN}$`);

export interface Substituted {
  readonly text: string;
  /** Every variable that is used, with its value or default. */
  readonly used: readonly { readonly name: string; readonly value: string }[];
  readonly missing: readonly string[];
  /** It has a `${` that doesn't start a placeholder. */
  readonly malformed: boolean;
}

export function substitute(text: string, env: Environment): Substituted {
  const used: { name: string; value: string }[] = [];
  const missing: string[] = [];
  let malformed = false;
  const replaced = text.replaceAll(TOKEN, (token: string, inner: string | undefined, close: string | undefined) => {
    if (token === "$${") return "${";
    const reference = REFERENCE.exec(inner ?? "");
    if (!reference || close !== "}") {
      malformed = true;
      return token;
    }
    const [, name = "", fallback] = reference;
    const given = env[name];
    const value = given === undefined || given === "" ? fallback : given;
    if (value === undefined) {
      missing.push(name);
      return markOf(name);
    }
    used.push({ name, value });
    return value;
  });
  return { text: replaced, used, missing, malformed };
}

/** A place whose value comes from the environment, at least in part. */
export interface Origin extends Substituted {
  readonly path: Path;
  /** The value is one placeholder and nothing else, so it may be a number or a flag. */
  readonly whole: boolean;
}

export interface SubstitutedTree {
  readonly tree: unknown;
  /** By pathKey. */
  readonly origins: ReadonlyMap<string, Origin>;
}

export function substituteTree(root: unknown, env: Environment): SubstitutedTree {
  const origins = new Map<string, Origin>();
  const visit = (value: unknown, path: Path): unknown => {
    if (typeof value === "string") {
      if (!value.includes("${")) return value;
      const result = substitute(value, env);
      if (result.used.length + result.missing.length > 0 || result.malformed) {
        origins.set(pathKey(path), { ...result, path, whole: WHOLE.test(value) });
      }
      return result.text;
    }
    if (Array.isArray(value)) return value.map((item, index) => visit(item, [...path, index]));
    if (typeof value !== "object" || value === null) return value;
    return Object.fromEntries(Object.entries(value).map(([key, item]) => [key, visit(item, [...path, key])]));
  };
  return { tree: visit(root, []), origins };
}
