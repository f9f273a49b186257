/**
 * What the pages' buttons do. Each leads to a page that says what will happen; that page's form does it, and the next page
 * says what was done. Only the forms of a session of the dashboard come here (forms.ts).
 */
import type { OpenAPIHono } from "@hono/zod-openapi";
import { html } from "hono/html";
import type { Context } from "hono";
import { ReplayportError } from "../errors.ts";
import type { BackfillRequest } from "../fleet/fleet.ts";
import { plural, printable } from "../text.ts";
import { PAGE_MS, pageSignal } from "./dashboard.ts";
import type { ExportPageDependencies } from "./export_pages.ts";
import { printableTexts } from "./json.ts";
import { backfillFormPage, cancelText, type Question, questionPage, textField } from "./page/form_pages.ts";
import { backfillBody, pauseBody } from "./schemas.ts";
import { leaveNotice, visitorOf } from "./visitor.ts";

const BY = "dashboard";
const PLAN_MS = 30_000;

export function addActions(app: OpenAPIHono, dependencies: ExportPageDependencies): void {
  const { fleet, auth, ending, now, redact, histories } = dependencies;
  const act = (): AbortSignal => AbortSignal.any([ending, AbortSignal.timeout(PAGE_MS)]);

  const ask = async (
    c: Context,
    question: Omit<Question, "at" | "root" | "visitor" | "back">,
    status: 200 | 400 = 200,
  ) => {
    const visitor = await visitorOf(c, auth);
    const name = c.req.param("name") ?? c.req.param("id") ?? "";
    const back = `../${encodeURIComponent(name)}`;
    return await c.html(
      questionPage({ ...question, title: printable(question.title), at: now(), root: "../../", visitor, back }),
      status,
    );
  };
  /** Back to the page that the button was on, with what was done. */
  const done = (c: Context, name: string, text: string): Response => {
    histories.forget(name);
    leaveNotice(c, redact(text));
    return c.redirect(`../${encodeURIComponent(c.req.param("name") ?? c.req.param("id") ?? "")}`, 303);
  };

  // Pause.

  const askPause = async (c: Context, name: string, form: URLSearchParams, problem?: string): Promise<Response> => {
    const text = "Nothing of it is started until it is resumed. Runs that have begun finish.";
    const fields = html`${textField("reason", "Reason", form.get("reason") ?? "", html` required maxlength="500" autofocus`)}
    ${textField("by", "Your name", form.get("by") ?? "", html` maxlength="100"`)}`;
    const question = { title: `Pause ${name}`, text, fields, button: "Pause", action: "pause", problem };
    return await ask(c, question, problem === undefined ? 200 : 400);
  };
  app.get("/exports/:name/pause", async (c) => {
    const { export: name } = await fleet.export(c.req.param("name"), pageSignal(c, ending));
    return await askPause(c, name, new URLSearchParams());
  });
  app.post("/exports/:name/pause", async (c) => {
    const name = c.req.param("name");
    const form = await formOf(c);
    const by = form.get("by")?.trim();
    const body = pauseBody.safeParse({ reason: form.get("reason") ?? "", by: by ? by : BY });
    if (!body.success) return await askPause(c, name, form, "Write a reason of one line, at most 500 characters.");
    await fleet.pause(name, body.data.reason, body.data.by, act());
    return done(c, name, `Paused ${name}. Runs that have begun finish.`);
  });

  // Resume and retry.

  app.get("/exports/:name/resume", async (c) => {
    const status = printableTexts(await fleet.export(c.req.param("name"), pageSignal(c, ending)));
    const { paused, failedIntervals } = status;
    const text = html`${paused ? html`It was paused by ${paused.by}: ${paused.reason} ` : ""}
    ${failedIntervals.length > 0 ? `${plural(failedIntervals.length, "failed interval")} will be tried again.` : "Its intervals are loaded again as they become due."}`;
    return await ask(c, { title: `Resume ${status.export}`, text, button: "Resume", action: "resume" });
  });
  app.post("/exports/:name/resume", async (c) => {
    const name = c.req.param("name");
    const { failedIntervals } = await fleet.export(name, act());
    await fleet.resume(name, BY, act());
    const tried =
      failedIntervals.length > 0 ? ` ${plural(failedIntervals.length, "failed interval")} will be tried again.` : "";
    return done(c, name, `Resumed ${name}.${tried}`);
  });
  app.get("/exports/:name/retry", async (c) => {
    const { export: name } = await fleet.export(c.req.param("name"), pageSignal(c, ending));
    const text = "Failed intervals, and those that wait for their next attempt, run as soon as a worker is free.";
    return await ask(c, { title: `Retry ${name}`, text, button: "Retry", action: "retry" });
  });
  app.post("/exports/:name/retry", async (c) => {
    const name = c.req.param("name");
    const intervals = await fleet.retry(name, act());
    return done(c, name, `${plural(intervals, "interval")} of ${name} will be retried as soon as a worker is free.`);
  });

  // Backfills.

  /** @param status of an answer with a problem */
  const showPlan = async (c: Context, name: string, form: URLSearchParams, problem?: string): Promise<Response> => {
    const asked = requestOf(name, form);
    let plan;
    let wrong = problem ?? ("problem" in asked ? asked.problem : undefined);
    if (problem === undefined && "request" in asked) {
      const signal = AbortSignal.any([c.req.raw.signal, ending, AbortSignal.timeout(PLAN_MS)]);
      try {
        plan = await fleet.planBackfill(asked.request, signal);
      } catch (error) {
        wrong = explain(error);
      }
    }
    const page = backfillFormPage(
      printableTexts({
        at: now(),
        export: name,
        visitor: await visitorOf(c, auth),
        plan,
        problem: wrong,
        from: form.get("from") ?? "",
        to: form.get("to") ?? "",
        size: form.get("size") ?? "auto",
        force: form.get("force") !== null,
        by: form.get("by") ?? "",
      }),
    );
    return await c.html(page, wrong === undefined ? 200 : 400);
  };
  const explain = (error: unknown): string => {
    if (!(error instanceof ReplayportError)) throw error;
    return redact(`${error.message}. ${error.hint ?? ""}`.trim());
  };
  app.get("/exports/:name/backfill", async (c) => {
    const { export: name } = await fleet.export(c.req.param("name"), pageSignal(c, ending));
    return await showPlan(c, name, new URL(c.req.url).searchParams);
  });
  app.post("/exports/:name/backfill", async (c) => {
    const name = c.req.param("name");
    const form = await formOf(c);
    const asked = requestOf(name, form);
    if (!("request" in asked)) return await showPlan(c, name, form);
    try {
      const { id, total } = await fleet.startBackfill(asked.request, ending);
      histories.forget(name);
      leaveNotice(c, total === 0 ? "There was nothing to load." : `Started: ${plural(total, "interval")} of ${name}.`);
      return c.redirect(`../../backfills/${id}`, 303);
    } catch (error) {
      return await showPlan(c, name, form, explain(error));
    }
  });
  app.get("/backfills/:id/cancel", async (c) => {
    const one = printableTexts(await fleet.backfill(c.req.param("id"), pageSignal(c, ending)));
    const question = {
      title: `Cancel the backfill of ${one.export}`,
      text: cancelText(one),
      button: "Cancel the backfill",
    };
    return await ask(c, { ...question, isDangerous: true, action: "cancel" });
  });
  app.post("/backfills/:id/cancel", async (c) => {
    const { export: name, done: loaded } = await fleet.cancelBackfill(c.req.param("id"), act());
    return done(c, name, `Cancelled. ${plural(loaded, "interval")} that it loaded stay loaded.`);
  });
  app.get("/backfills/:id/retry", async (c) => {
    const one = printableTexts(await fleet.backfill(c.req.param("id"), pageSignal(c, ending)));
    const text = `${plural(one.failed, "failed interval")} will be tried again.`;
    return await ask(c, { title: `Retry the backfill of ${one.export}`, text, button: "Retry", action: "retry" });
  });
  app.post("/backfills/:id/retry", async (c) => {
    const one = await fleet.retryBackfill(c.req.param("id"), act());
    return done(c, one.export, `The failed intervals of ${one.export} will be tried again.`);
  });
}

/** As our forms send it. */
export async function formOf(c: Context): Promise<URLSearchParams> {
  return new URLSearchParams(await c.req.text());
}

/** Nothing as long as the form has no range. */
function requestOf(
  name: string,
  form: URLSearchParams,
): { readonly request: BackfillRequest } | { readonly problem: string | undefined } {
  const time = (key: string): string => {
    const text = form.get(key) ?? "";
    return /^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$/.test(text) ? `${text}:00Z` : text;
  };
  if (form.get("from") === null && form.get("to") === null) return { problem: undefined };
  const by = form.get("by")?.trim();
  const body = backfillBody.safeParse({
    export: name,
    start: time("from"),
    end: time("to"),
    size: form.get("size") ?? "auto",
    force: form.get("force") !== null,
    createdBy: by ? by : BY,
  });
  if (body.success) {
    const { start, end, inFlight: _, ...rest } = body.data;
    return { request: { ...rest, range: { start, end } } };
  }
  const isReversed = body.error.issues.every(({ message }) => message === "not after start");
  return { problem: isReversed ? "The end must be after the start." : "Write both times as 2026-10-01T00:00, in UTC." };
}
