/** The dashboard: one page, rendered on the server, without scripts. It only reads. */
import type { OpenAPIHono } from "@hono/zod-openapi";
import type { Context } from "hono";
import type { Fleet } from "../fleet/fleet.ts";
import { messageOf } from "../errors.ts";
import { printableTexts } from "./json.ts";
import type { Auth } from "./auth.ts";
import { dashboardPage, type Snapshot } from "./page/dashboard_page.ts";
import { loginPage } from "./page/login_page.ts";

export interface DashboardDependencies {
  readonly fleet: Fleet;
  readonly auth: Auth;
  readonly ending: AbortSignal;
  readonly now: () => Date;
  readonly redact: (text: string) => string;
  readonly onWrong: (at: "login", c: Context) => Promise<void>;
}

/** People wait for this page: what Redis hasn't answered by then is left out. */
const PAGE_MS = 5_000;
const RUNS_SHOWN = 12;
/** Failures with the same reason share a row, so more are read than shown. */
const FAILURES_READ = 200;

export async function askForToken(c: Context, status: 200 | 401, problem?: string): Promise<Response> {
  return await c.html(loginPage(problem), status);
}

export function addDashboard(app: OpenAPIHono, dependencies: DashboardDependencies): void {
  const { fleet, auth, ending, now, redact, onWrong } = dependencies;
  app.get("/", async (c) => {
    const signal = AbortSignal.any([c.req.raw.signal, ending, AbortSignal.timeout(PAGE_MS)]);
    const snapshot = await look(fleet, now(), redact, signal);
    const refreshes = c.req.query("refresh") !== "off";
    return await c.html(dashboardPage(snapshot, { login: await auth.loginState(c), refreshes }));
  });
  app.get("/login", async (c) => ((await auth.loginState(c)) === "in" ? c.redirect("./") : await askForToken(c, 200)));
  app.post("/login", async (c) => {
    // Read as our form sends it, whatever its content type: anybody can send a body on which a parser would throw.
    const token = new URLSearchParams(await c.req.text()).get("token");
    if (token === null || !auth.isToken(token.trim())) {
      await onWrong("login", c);
      return await askForToken(c, 401, "The token is wrong.");
    }
    auth.login(c);
    return c.redirect("./", 303);
  });
  app.post("/logout", async (c) => {
    // A form on another site sends no cookie (SameSite), so it can't end a session.
    await auth.logout(c, AbortSignal.any([ending, AbortSignal.timeout(PAGE_MS)]));
    return c.redirect("./login", 303);
  });
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
    or(() => fleet.runs({ limit: RUNS_SHOWN, states: ["running", "retrying"] }, signal), []),
    or(() => fleet.runs({ limit: FAILURES_READ, states: ["failed"] }, signal), []),
  ]);
  const shown = health.problem === undefined ? [...problems] : [health.problem];
  return printableTexts({ at, health, exports, queue, backfills, running, failed, problems: shown });
}
