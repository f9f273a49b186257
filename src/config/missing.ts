/**
 * Variables that are missing from the environment. A command needs only those that it uses, so a config without the others is
 * made all the same: where the config has a value that such a variable is part of, reading it throws.
 *
 * A mark stands for the variable while the config is resolved, so that nothing has to know which option came from where. It
 * looks like an ordinary name, and is found again whatever it became a part of: a path, an address in lower case, a user.
 */
import { giveUp, ReplayportError } from "../errors.ts";
import type { Path } from "./problems/path.ts";
import { formatProblems, type Problem } from "./problems/problems.ts";

export interface MissingVariable {
  readonly name: string;
  /** Where the config uses it. */
  readonly path: Path;
  readonly problem: Problem;
}

export function invalidConfig(problems: readonly Problem[], file: string): ReplayportError {
  return new ReplayportError(
    formatProblems(problems, file),
    giveUp("config.invalid", "Fix the problems above and try again."),
  );
}

/** Such as that of a missing variable. It may come when the config is read, long after it was loaded. */
export const isInvalidConfig = (error: unknown): error is ReplayportError =>
  error instanceof ReplayportError && error.code === "config.invalid";

const MARK = /missingvariable([0-9a-f]+)z/g;

export const markOf = (variable: string): string => `missingvariable${Buffer.from(variable).toString("hex")}z`;

const markedIn = (text: string): string[] =>
  [...text.toLowerCase().matchAll(MARK)].map(([, hex = ""]) => Buffer.from(hex, "hex").toString());

/** Whether a missing variable is part of the text. */
export const isMarked = (text: string): boolean => markedIn(text).length > 0;

/** Those that a part of the config names, its path given from the top. */
export const missingAt = (missing: readonly MissingVariable[], ...path: Path): MissingVariable[] =>
  missing.filter((one) => path.every((part, depth) => one.path[depth] === part));

/** Makes the property throw when it is read. */
function throwing(target: object, key: string, error: () => ReplayportError): void {
  Object.defineProperty(target, key, {
    // Spreading the object has to throw, too: left out, a missing password would be none.
    enumerable: true,
    configurable: true,
    get: () => {
      throw error();
    },
  });
}

/** Whether reading the property doesn't throw. */
export const isKnown = (config: object, key: string): boolean =>
  "value" in (Object.getOwnPropertyDescriptor(config, key) ?? { value: undefined });

/** The values that can be read. */
export const knownValues = <T>(of: Readonly<Record<string, T>>): T[] =>
  Object.keys(of).flatMap((key) => (isKnown(of, key) ? [of[key] as T] : []));

/** A value whose every property throws, except its name. */
export function throwingExcept(name: string, error: () => ReplayportError): object {
  return new Proxy(
    { name },
    {
      get: (target, key) => {
        if (key === "name") return target.name;
        // What inspects any object, such as await.
        if (typeof key === "symbol" || key === "then") return undefined;
        throw error();
      },
    },
  );
}

/**
 * Sets a property of the config. If variables that the value was made of are missing, reading it throws, or reading the part of
 * it that they went into.
 * @param value undefined also if it couldn't be resolved
 * @param missing what may be part of it
 */
export function setOrThrow(
  target: object,
  key: string,
  value: unknown,
  missing: readonly MissingVariable[],
  refuse: (missing: readonly MissingVariable[]) => ReplayportError,
): void {
  if (value === undefined && missing.length > 0) throwing(target, key, () => refuse(missing));
  else if (typeof value === "string" && isMarked(value)) {
    const names = new Set(markedIn(value));
    throwing(target, key, () => refuse(missing.filter(({ name }) => names.has(name))));
  } else if (missing.length > 0 && isPlain(value)) {
    const copy = Array.isArray(value) ? [] : {};
    for (const [inner, item] of Object.entries(value))
      setOrThrow(copy, inner, item, item === undefined ? [] : missing, refuse);
    Object.assign(target, { [key]: copy });
  } else Object.assign(target, { [key]: value });
}

const isPlain = (value: unknown): value is object =>
  Array.isArray(value) ||
  (typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype);
