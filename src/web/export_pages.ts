/** The pages of an export, a run and a backfill. They only read; actions.ts has what their buttons do. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { messageOf } from "../errors.ts";
import type { Interval } from "../intervals/interval.ts";
import { type PageDependencies, pageSignal, refreshes } from "./dashboard.ts";
import { RequestError } from "./errors.ts";
import type { Histories } from "./histories.ts";
import { printableTexts } from "./json.ts";
import { backfillPage, backfillsPage } from "./page/backfill_pages.ts";
import { DAYS_SHOWN, exportPage } from "./page/export_page.ts";
import { runPage } from "./page/run_page.ts";
import { visitorOf } from "./visitor.ts";

export interface ExportPageDependencies extends PageDependencies {
  readonly histories: Histories;
}

const DAY_MS = 86_400_000;
/** All that a fleet remembers. */
const RUNS_READ = 500;

export function addExportPages(app: OpenAPIHono, dependencies: ExportPageDependencies): void {
  const { fleet, auth, ending, now, redact, histories } = dependencies;

  app.get("/exports/:name", async (c) => {
    const name = c.req.param("name");
    const signal = pageSignal(c, ending);
    const at = now();
    const rules = fleet.rules(name);
    const last = rules.end !== undefined && rules.end < at ? rules.end : at;
    const range = daysUntil(c.req.query("until"), rules.start, last);
    const problems: string[] = [];
    const [status, runs, backfills, history] = await Promise.all([
      fleet.export(name, signal),
      fleet.runs({ limit: RUNS_READ, export: name }, signal),
      fleet.backfills(signal),
      histories.read(name, range, signal).catch((error: unknown) => {
        if (!c.req.raw.signal.aborted) problems.push(`The destination's load history: ${redact(messageOf(error))}`);
        return undefined;
      }),
    ]);
    const of = backfills.filter((one) => one.export === name);
    const snapshot = printableTexts({ at, status, rules, history, range, runs, backfills: of, problems });
    return await c.html(exportPage(snapshot, await visitorOf(c, auth), refreshes(c)));
  });

  app.get("/run", async (c) => {
    const id = c.req.query("id") ?? "";
    const [name = ""] = id.split("/");
    const all = await fleet.runs({ limit: RUNS_READ, export: name }, pageSignal(c, ending));
    const [newest, ...earlier] = all.filter((one) => one.id === id);
    if (!newest) {
      const hint =
        "The fleet remembers its last 500 failures and its last 500 other runs. Receipts stay at the destination.";
      throw new RequestError("http.unknown", "no such run is remembered", hint);
    }
    const snapshot = printableTexts({ at: now(), runs: [newest, ...earlier] as const, rules: fleet.rules(name) });
    return await c.html(runPage(snapshot, await visitorOf(c, auth), refreshes(c)));
  });

  app.get("/backfills", async (c) => {
    const signal = pageSignal(c, ending);
    const [backfills, exports] = await Promise.all([fleet.backfills(signal), fleet.exports(signal)]);
    const names = new Set(exports.map((one) => one.export));
    return await c.html(backfillsPage(printableTexts(backfills), names, now(), await visitorOf(c, auth), refreshes(c)));
  });

  app.get("/backfills/:id", async (c) => {
    const signal = pageSignal(c, ending);
    const id = c.req.param("id");
    const [backfill, runs, exports] = await Promise.all([
      fleet.backfill(id, signal),
      fleet.runs({ limit: 50, backfill: id }, signal),
      fleet.exports(signal),
    ]);
    const known = exports.some((one) => one.export === backfill.export);
    const snapshot = printableTexts({ at: now(), backfill, runs, known });
    return await c.html(backfillPage(snapshot, await visitorOf(c, auth), refreshes(c)));
  });
}

/** Whole days (UTC) up to the one that is asked for, of those that the export has. */
function daysUntil(text: string | undefined, first: Date, last: Date): Interval {
  const day = (time: number): number => Math.floor(time / DAY_MS) * DAY_MS;
  // A day that ends at midnight is the last one.
  const [from, to] = [day(first.getTime()), day(Math.max(first.getTime(), last.getTime() - 1))];
  const asked = /^\d{4}-\d{2}-\d{2}$/.test(text ?? "") ? Date.parse(`${text}T00:00:00Z`) : to;
  const shown = Number.isNaN(asked) ? to : Math.min(Math.max(asked, from), to);
  const start = Math.max(from, shown - (DAYS_SHOWN - 1) * DAY_MS);
  return { start: new Date(start), end: new Date(shown + DAY_MS) };
}
