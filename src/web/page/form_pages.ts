/** Pages that ask before something is done, each once, and pages of errors. */
import { html } from "hono/html";
import type { Backfill, BackfillPlan } from "../../fleet/fleet.ts";
import type { ErrorBody } from "../schemas.ts";
import { count, type Html, plural, range } from "./format.ts";
import { pageOf, type Visitor } from "./shell.ts";

export interface Question {
  readonly at: Date;
  readonly title: string;
  /** To the dashboard. */
  readonly root: string;
  readonly visitor: Visitor;
  /** What will happen, in a sentence or two. */
  readonly text: Html | string;
  readonly fields?: Html | "";
  readonly button: string;
  readonly isDangerous?: boolean;
  /** Where the form goes, and where it is left to. */
  readonly action: string;
  readonly back: string;
  readonly problem?: string | undefined;
}

export function questionPage(question: Question): Html {
  const { at, title, root, visitor, text, fields = "", button, isDangerous = false, action, back, problem } = question;
  return pageOf(
    { title: `${title} – Replayport`, root, at, visitor },
    html`<h1>${title}</h1>
      <form class="card form" method="post" action="${action}">
        ${problem === undefined ? "" : html`<p class="note bad" role="alert">${problem}</p>`}
        <p>${text}</p>
        ${fields} ${formToken(visitor)}
        <p class="buttons">
          <button class="${isDangerous ? "danger" : ""}">${button}</button> <a href="${back}">Back</a>
        </p>
      </form>`,
  );
}

/** Proves that the form comes from one of our pages. */
function formToken({ formToken: token = "" }: Visitor): Html {
  return html`<input type="hidden" name="form" value="${token}" />`;
}

export function textField(name: string, label: string, value = "", rest: Html | "" = ""): Html {
  return html`<label for="${name}">${label}</label>
    <input id="${name}" name="${name}" type="text" value="${value}" ${rest} />`;
}

export interface BackfillForm {
  readonly at: Date;
  readonly export: string;
  readonly visitor: Visitor;
  /** As the visitor wrote them: `2026-10-01T00:00`, UTC. */
  readonly from: string;
  readonly to: string;
  readonly size: string;
  readonly force: boolean;
  readonly by: string;
  readonly problem?: string | undefined;
  /** Undefined before the range is known. */
  readonly plan: BackfillPlan | undefined;
}

export const SIZES = ["auto", "schedule", "hour", "day", "week", "month"] as const;
const INTERVALS_SHOWN = 10;

export function backfillFormPage(form: BackfillForm): Html {
  const { at, visitor, from, to, size, force, by, problem, plan } = form;
  const time = (name: string, label: string, value: string): Html =>
    html`<div>
      <label for="${name}">${label}</label>
      <input id="${name}" name="${name}" type="datetime-local" value="${value}" required />
    </div>`;
  return pageOf(
    { title: `Backfill ${form.export} – Replayport`, root: "../../", at, visitor },
    html`<p class="crumbs">
        <a href="../../">Exports</a> / <a href="../${encodeURIComponent(form.export)}">${form.export}</a>
      </p>
      <h1>Backfill</h1>
      <form class="card form" method="get" action="backfill">
        ${problem === undefined ? "" : html`<p class="note bad" role="alert">${problem}</p>`}
        <div class="two">${time("from", "From (UTC)", from)} ${time("to", "To (UTC)", to)}</div>
        <label for="size">Batches</label>
        <select id="size" name="size">
          ${SIZES.map((one) => html`<option ${one === size ? html` selected` : ""}>${one}</option>`)}
        </select>
        <label class="check">
          <input type="checkbox" name="force" ${force ? html` checked` : ""} />Also reload intervals that are loaded
        </label>
        ${textField("by", "Your name", by, html` maxlength="100"`)}
        <button class="button">Show the plan</button>
      </form>
      ${plan ? planned(form, plan) : ""}`,
  );
}

function planned({ from, to, size, force, by, visitor, export: name }: BackfillForm, plan: BackfillPlan): Html {
  const { intervals, sessions } = plan;
  const [first] = intervals;
  const last = intervals.at(-1);
  if (!first || !last) {
    const hint = force ? "" : " Everything in this range is loaded; to load it again, tick the box above.";
    return html`<p class="note info" role="status">There is nothing to load.${hint}</p>`;
  }
  const hidden = Object.entries({ from, to, size, by, ...(force ? { force: "on" } : {}) });
  const more = intervals.length - INTERVALS_SHOWN;
  return html`<section aria-labelledby="plan">
    <h2 id="plan">Plan</h2>
    <form class="card form" method="post" action="backfill">
      <p>
        ${plural(intervals.length, "batch", "batches")} of ${name}, from
        ${range({ start: first.start, end: last.end })}${
          sessions === undefined ? "" : `, with ${plural(sessions, "changed session")}`
        }.
        ${force ? "Intervals that are loaded are loaded again; no rows are lost." : "Intervals that are loaded are skipped."}
      </p>
      <ul>
        ${intervals.slice(0, INTERVALS_SHOWN).map((one) => html`<li>${range(one)}</li>`)}
        ${more > 0 ? html`<li>and ${count(more)} more</li>` : ""}
      </ul>
      ${hidden.map(([key, value]) => html`<input type="hidden" name="${key}" value="${value}" />`)}
      ${formToken(visitor)}
      <p class="buttons"><button>Start the backfill</button> <a href="../${encodeURIComponent(name)}">Back</a></p>
    </form>
  </section>`;
}

export function cancelText(one: Backfill): Html {
  const left = one.open + one.running;
  return html`${plural(left, "interval")} of ${range(one.range)} will not be loaded. What waits is dropped, what runs is
  stopped within seconds, and what is loaded stays.`;
}

export function errorPage({ error }: ErrorBody, root: string, at: Date, visitor: Visitor): Html {
  return pageOf(
    { title: "Error – Replayport", root, at, visitor },
    html`<h1>That didn't work</h1>
      <div class="note bad" role="alert">
        <p>${error.message}</p>
        ${error.hint === null ? "" : html`<p>${error.hint}</p>`}
        <p><code>${error.code}</code></p>
      </div>
      <p><a href="${root}">Back to the exports</a></p>`,
  );
}
