/** What is wrong with a config. Problems are collected, not thrown one by one. */
import { isAlias, isMap, isPair, isScalar, isSeq, type Document, type LineCounter, type Node } from "yaml";
import { dotted, type Path, pathKey, valueAt } from "./path.ts";

export interface Problem {
  readonly file: string;
  /** `exports.replays.schedule`; empty for the file as a whole. */
  readonly path: string;
  /** Both count from 1. */
  readonly line?: number;
  readonly column?: number;
  /** The value as the file has it. Never a secret, never the value of a variable. */
  readonly value?: string;
  /** What is wrong, without repeating the value. */
  readonly message: string;
  /** What to do about it. */
  readonly fix: string;
}

export interface Report {
  readonly problems: readonly Problem[];
  add(path: Path, message: string, fix: string, at?: "key"): void;
  /** A problem of the file's text, at an offset. */
  addAt(offset: number, message: string, fix: string): void;
  /** Ignores further problems at a place: they follow from the reported one. */
  mute(path: Path): void;
}

/** The file, to find where a value is and how it is written. */
export interface Written {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
  /** As it was written, before variables were replaced. */
  readonly raw: unknown;
  readonly isSecret: (path: Path) => boolean;
}

const SHOWN = 80;

/**
 * A text without what could be a password in it. An address that is wrong can't be taken apart with certainty, so everything goes
 * that stands before an @, in a query or a fragment, or with a word such as token; where it has no // either, all of it.
 */
export function maskUrl(text: string): string {
  const at = text.indexOf("//");
  const colon = text.indexOf(":");
  const isAddress = at >= 0 && /[@?#;]/.test(text.slice(at));
  const hasPassword =
    (colon >= 0 && text.lastIndexOf("@") > colon) ||
    (text.includes("=") && /passw|pwd|secret|token|key|sig/i.test(text));
  if (!isAddress && !hasPassword) return text;
  return isAddress && !/[@:=]/.test(text.slice(0, at).replace(/:$/, ""))
    ? `${text.slice(0, at)}//[redacted]`
    : "[redacted]";
}

function shown({ raw, isSecret }: Written, path: Path): string | undefined {
  const value = valueAt(raw, path);
  if (typeof value !== "string" && typeof value !== "number" && typeof value !== "boolean") return undefined;
  if (isSecret(path)) return "[redacted]";
  const text = typeof value === "string" ? JSON.stringify(maskUrl(value)) : String(value);
  return text.length > SHOWN ? `${text.slice(0, SHOWN)}…` : text;
}

/** The node at a place, or of the nearest place above it. */
function nodeAt(document: Document, path: Path, at: "key" | "value"): Node | undefined {
  let node: unknown = document.contents;
  let found: Node | undefined;
  for (const [depth, part] of path.entries()) {
    if (isAlias(node)) node = node.resolve(document);
    if (isMap(node)) {
      const pair = node.items.find((item) => isPair(item) && isScalar(item.key) && String(item.key.value) === part);
      if (!pair) break;
      const last = depth === path.length - 1;
      const key = pair.key as Node;
      // For a mapping or a list, people look for its key.
      const leaf = isScalar(pair.value) || isAlias(pair.value);
      found = last && at === "value" && leaf && pair.value !== null ? (pair.value as Node) : key;
      node = pair.value;
    } else if (isSeq(node) && typeof part === "number") {
      const item = node.items[part];
      if (item === undefined || item === null) break;
      found = item as Node;
      node = item;
    } else break;
  }
  return found;
}

export function createReport(written: Written): Report {
  const problems: Problem[] = [];
  const muted = new Set<string>();
  const seen = new Set<string>();
  const { file, lines } = written;

  const position = (offset: number | undefined): Pick<Problem, "line" | "column"> => {
    if (offset === undefined) return {};
    const { line, col } = lines.linePos(offset);
    return { line, column: col };
  };
  return {
    problems,
    mute: (path) => void muted.add(pathKey(path)),
    addAt: (offset, message, fix) => void problems.push({ file, path: "", ...position(offset), message, fix }),
    add(path, message, fix, at) {
      const key = pathKey(path);
      if (muted.has(key) || seen.has(`${key} ${message}`)) return;
      seen.add(`${key} ${message}`);
      const value = at === "key" ? undefined : shown(written, path);
      problems.push({
        file,
        path: dotted(path),
        ...position(nodeAt(written.document, path, at ?? "value")?.range?.[0]),
        ...(value === undefined ? {} : { value }),
        message,
        fix,
      });
    },
  };
}

/** All problems as text, in the order of the file. */
export function formatProblems(problems: readonly Problem[], file: string): string {
  const sorted = [...problems].sort((a, b) => (a.line ?? 0) - (b.line ?? 0) || (a.column ?? 0) - (b.column ?? 0));
  const lines = sorted.map(({ line, column, path, value, message, fix }) => {
    const place = line === undefined ? file : `${file}:${line}:${column ?? 1}`;
    const subject = [path, message].filter((text) => text !== "").join(": ");
    return `${place}  ${subject}${value === undefined ? "" : ` (it says ${value})`}\n    ${fix}`;
  });
  return `${file} has ${problems.length === 1 ? "a problem" : `${problems.length} problems`}:\n\n${lines.join("\n")}`;
}
