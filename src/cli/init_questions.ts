/** What `init` needs to know, from an option or by asking. */
import { createInterface } from "node:readline/promises";
import type { DestinationType } from "../../destinations/options.ts";
import type { SourceChoice, TemplateChoices } from "../config/template.ts";
import { httpUrl } from "../config/values/fields.ts";
import { ReplayportError } from "../errors.ts";
import { usageError } from "./arguments.ts";
import type { CliEnvironment } from "./environment.ts";
import { printLine, widthOf } from "./output.ts";

/** In the order of the question. */
export const DESTINATIONS: Readonly<Record<DestinationType, string>> = {
  file: "a lake in a folder",
  s3: "a lake in a bucket of S3",
  snowflake: "a Snowflake table",
  bigquery: "a BigQuery table",
  iceberg: "an Apache Iceberg table in a REST catalog",
};

/** ClickHouse takes these in a URL, too. */
const PARAMETERS = new Set(["user", "password", "database"]);

/**
 * `https://user:password@host:8443/?database=posthog`, or the embedded engine's folder. The password is dropped: the config takes
 * it from the environment. No message repeats the text, which may hold a secret.
 * @throws ReplayportError `cli.options`
 */
export function parseSource(given: string): SourceChoice {
  const text = given.trim();
  if (/^(?:\.{0,2}[/\\]|\.{1,2}$)/.test(text)) return { embedded: text };
  const url = URL.canParse(text) ? new URL(text) : undefined;
  if (!url || !["http:", "https:"].includes(url.protocol) || url.hostname === "") {
    throw usageError(
      "the source is neither a web address nor a folder",
      "Write ClickHouse's HTTP address, such as https://host:8443, or a folder that begins with ./ for the embedded engine.",
    );
  }
  const parameters = url.searchParams;
  if (url.hash !== "" || [...parameters.keys()].some((key) => !PARAMETERS.has(key))) {
    throw usageError(
      "the source's address has a parameter that the config can't keep",
      "Leave out what follows ? or #, except user and database.",
    );
  }
  const address = httpUrl.safeParse(url.origin + url.pathname);
  const name = url.username === "" ? (parameters.get("user") ?? "") : decoded(url.username);
  const database = parameters.get("database") ?? "";
  return {
    url: address.data ?? url.origin,
    ...(name === "" ? {} : { username: name }),
    ...(database === "" ? {} : { database }),
  };
}

function decoded(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/**
 * Asks on a terminal. Where the answer is empty, and off a terminal for everything, the file shows an example.
 * @throws ReplayportError `cli.options` if the input ends, the signal's reason at Ctrl-C
 */
export async function askForInit(cli: CliEnvironment): Promise<TemplateChoices> {
  const { stdin, stdout } = cli;
  if (stdin?.isTTY !== true || widthOf(stdout) === undefined) return {};
  // With `terminal: false`, so that the real terminal edits the line and turns Ctrl-C into a signal.
  const lines = createInterface({ input: stdin, output: stdout, terminal: false });
  const ended = new AbortController();
  lines.once("close", () => {
    ended.abort(usageError("the input ended, so nothing is written", "Use --source and --destination instead."));
  });
  const signal = AbortSignal.any([cli.signal, ended.signal]);
  const ask = async <T>(question: string, parse: (answer: string) => T): Promise<T | undefined> => {
    for (;;) {
      const answer = await lines.question(`${question}: `, { signal }).catch((error: unknown) => {
        signal.throwIfAborted();
        throw error;
      });
      try {
        return answer.trim() === "" ? undefined : parse(answer.trim());
      } catch (error) {
        if (!(error instanceof ReplayportError)) throw error;
        printLine(stdout, `  ${error.message}. ${error.hint}`);
      }
    }
  };
  try {
    printLine(stdout, "Enter skips a question: the file then has an example to edit.\n");
    const source = await ask("ClickHouse's HTTP address (or a folder of the embedded engine)", parseSource);
    printLine(stdout, "\nWhere to load to:");
    for (const [index, [type, what]] of Object.entries(DESTINATIONS).entries())
      printLine(stdout, `  ${index + 1}  ${type.padEnd(9)}  ${what}`);
    const destination = await ask("Destination", parseDestination);
    const team = await ask("\nPostHog's project id (or all)", parseTeam);
    printLine(stdout);
    return { source, destination, team };
  } finally {
    lines.close();
  }
}

function parseDestination(answer: string): DestinationType {
  const types = Object.keys(DESTINATIONS) as DestinationType[];
  const found = types.find((type, index) => type === answer.toLowerCase() || String(index + 1) === answer);
  if (found === undefined) throw usageError("not a destination", `Write 1 to ${types.length}, or a name.`);
  return found;
}

function parseTeam(answer: string): number | "all" {
  if (answer.toLowerCase() === "all") return "all";
  const id = Number(answer);
  if (Number.isSafeInteger(id) && id > 0) return id;
  throw usageError("not a project's id", "It's the number in PostHog's addresses: /project/1. Or write all.");
}
