/** From the text of a YAML file to a tree, or to what is wrong with the text. */
import { type Document, LineCounter, parseDocument, visit, type YAMLError } from "yaml";
import { createReport, type Problem, type Report } from "./problems/problems.ts";

export interface YamlFile {
  readonly document: Document;
  readonly lines: LineCounter;
  /** Undefined if the text can't be read. */
  readonly tree: unknown;
  /** Problems of the text. Duplicate keys are reported too, but the tree is still worth checking then. */
  readonly problems: readonly Problem[];
  readonly readable: boolean;
}

/** The parser's messages for these quote the file, which may hold a password that YAML can't parse. */
const MESSAGES: Readonly<Record<string, string>> = {
  UNEXPECTED_TOKEN: "YAML does not allow this here",
  BAD_DQ_ESCAPE: "an escape that YAML does not know",
  TAG_RESOLVE_FAILED: "a tag that YAML does not know",
  BAD_ALIAS: "an alias without its anchor",
  BAD_DIRECTIVE: "a directive that YAML does not know",
};

function fixFor({ code }: YAMLError): string {
  if (code === "DUPLICATE_KEY") return "Remove one of the two.";
  if (code === "TAB_AS_INDENT") return "Indent with spaces.";
  if (code === "BAD_INDENT") return "Indent the keys of a mapping by the same number of spaces.";
  return "Put values with any of : # & * ! @ ` { } [ ] % in quotes.";
}

export function readYaml(text: string, file: string): YamlFile {
  const lines = new LineCounter();
  const document = parseDocument(text, {
    lineCounter: lines,
    prettyErrors: false,
    version: "1.2",
    merge: true,
    logLevel: "error",
  });
  const report = createReport({ file, document, lines, raw: undefined, isSecret: () => true });
  for (const error of [...document.errors, ...document.warnings]) {
    report.addAt(error.pos[0], MESSAGES[error.code] ?? error.message, fixFor(error));
  }
  reportNodes(document, report);
  const { problems } = report;
  const duplicates = document.errors.filter(({ code }) => code === "DUPLICATE_KEY").length;
  const unreadable = { document, lines, tree: undefined, problems, readable: false };
  if (problems.length > duplicates) return unreadable;
  try {
    return { document, lines, tree: treeOf(document), problems, readable: true };
  } catch {
    const fix = "Put each anchor before its aliases, never inside itself, and use few of them.";
    report.addAt(0, "an alias cannot be resolved", fix);
    return unreadable;
  }
}

/** Reports aliases without an anchor before them, and a key that zod would ignore. */
function reportNodes(document: Document, report: Report): void {
  visit(document, {
    Alias(_, node) {
      if (node.resolve(document)) return;
      const fix = "Put the anchor before it, or put a * in quotes.";
      report.addAt(node.range?.[0] ?? 0, "an alias without an anchor before it", fix);
    },
    Scalar(role, node) {
      if (role === "key" && node.value === "__proto__") report.addAt(node.range?.[0] ?? 0, "unknown key", "Remove it.");
    },
  });
}

/** @throws if an alias contains itself, or aliases expand too far */
function treeOf(document: Document): unknown {
  const tree: unknown = document.toJS();
  // Throws on a circle.
  JSON.stringify(tree);
  return tree;
}
