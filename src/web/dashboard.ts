/** The dashboard, its login, and the library that its charts need. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Fleet } from "../fleet/fleet.ts";
import { messageOf } from "../errors.ts";
import { printable } from "../text.ts";
import { printableTexts } from "./json.ts";
import type { Auth } from "./auth.ts";
import { CONDITIONS } from "../fleet/condition.ts";
import { loginPage } from "./page/login_page.ts";
import { type Filter, overviewPage, type Snapshot } from "./page/overview_page.ts";
import { CHARTS, CHARTS_PATH } from "./page/static.ts";
import { isPage, rootOf, visitorOf } from "./visitor.ts";

export interface PageDependencies {
  readonly fleet: Fleet;
  readonly auth: Auth;
  readonly ending: AbortSignal;
  readonly now: () => Date;
  readonly redact: (text: string) => string;
}

export interface DashboardDependencies extends PageDependencies {
  readonly onWrong: (at: "login", c: Context) => Promise<void>;
}

/** People wait for a page: what hasn't been answered by then is left out. */
export const PAGE_MS = 5_000;
/** Those that are retried are grouped by their cause, so more are read than shown. */
const RUNS_READ = 200;
/** Failures with the same reason share a row, so more are read than shown. */
const FAILURES_READ = 200;
const SEARCH_LENGTH = 200;
/** Where the login may lead: to pages of ours that are read. */
const TARGET = /^(?:exports\/|backfills|run\?)[^\\\s]*$/;

/** The login form in place of a page, which it then leads to. */
export async function askForToken(c: Context, status: 200 | 401, problem?: string, to?: string): Promise<Response> {
  const { pathname, search } = new URL(c.req.url);
  const asked = c.req.method === "GET" && isPage(pathname) ? `${pathname}${search}`.slice(1) : "";
  const page = loginPage({ problem, root: rootOf(pathname), to: target(to ?? asked) });
  return await c.html(page, status);
}

function target(to: string): string {
  return TARGET.test(to) ? to : "";
}

export function pageSignal(c: Context, ending: AbortSignal): AbortSignal {
  return AbortSignal.any([c.req.raw.signal, ending, AbortSignal.timeout(PAGE_MS)]);
}

/** Whether the page refreshes by itself. */
export const refreshes = (c: Context): boolean => c.req.query("refresh") !== "off";

export function addDashboard(app: OpenAPIHono, dependencies: DashboardDependencies): void {
  const { fleet, auth, ending, now, redact, onWrong } = dependencies;
  app.get("/", async (c) => {
    const snapshot = await look(fleet, now(), redact, pageSignal(c, ending));
    const state = { visitor: await visitorOf(c, auth), refreshes: refreshes(c), filter: filterOf(c) };
    return await c.html(overviewPage(snapshot, state));
  });
  app.get(`/${CHARTS_PATH}`, (c) => {
    c.header("Cache-Control", "private, max-age=31536000, immutable");
    return c.body(CHARTS, 200, { "Content-Type": "text/javascript; charset=utf-8" });
  });
  app.get("/login", async (c) => ((await auth.loginState(c)) === "in" ? c.redirect("./") : await askForToken(c, 200)));
  app.post("/login", async (c) => {
    // Read as our form sends it, whatever its content type: anybody can send a body on which a parser would throw.
    const form = new URLSearchParams(await c.req.text());
    const token = form.get("token");
    const to = target(form.get("to") ?? "");
    if (token === null || !auth.isToken(token.trim())) {
      await onWrong("login", c);
      return await askForToken(c, 401, "The token is wrong.", to);
    }
    auth.login(c);
    return c.redirect(`./${to}`, 303);
  });
  app.post("/logout", async (c) => {
    // A form on another site sends no cookie (SameSite), so it can't end a session.
    await auth.logout(c, AbortSignal.any([ending, AbortSignal.timeout(PAGE_MS)]));
    return c.redirect("./login", 303);
  });
}

function filterOf(c: Context): Filter {
  const state = c.req.query("state");
  const search = printable(c.req.query("q") ?? "")
    .trim()
    .slice(0, SEARCH_LENGTH);
  return { search, condition: CONDITIONS.find((one) => one === state) };
}

async function look(fleet: Fleet, at: Date, redact: (text: string) => string, signal: AbortSignal): Promise<Snapshot> {
  const problems = new Set<string>();
  const health = await fleet.health(signal);
  const or = async <T>(asked: () => Promise<T>, nothing: T): Promise<T> => {
    // If Redis is down, its error is enough, and the other calls would only wait.
    if (!health.redis) return nothing;
    try {
      return await asked();
    } catch (error) {
      problems.add(redact(messageOf(error)));
      return nothing;
    }
  };
  const [exports, queue, backfills, running, failed] = await Promise.all([
    or(() => fleet.exports(signal), []),
    or(() => fleet.queue(signal), undefined),
    or(() => fleet.backfills(signal), []),
    or(() => fleet.runs({ limit: RUNS_READ, states: ["running", "retrying"] }, signal), []),
    or(() => fleet.runs({ limit: FAILURES_READ, states: ["failed"] }, signal), []),
  ]);
  const shown = health.problem === undefined ? [...problems] : [health.problem];
  return printableTexts({ at, health, exports, queue, backfills, running, failed, problems: shown });
}
