import { html } from "hono/html";
import type { Issue } from "./attention.ts";
import { ago, count, type Html, hull, plural, range } from "./format.ts";

const EXPORTS_SHOWN = 6;
const OTHERS_SHOWN = 5;

/** @param root to the dashboard. @param single the page of one export doesn't name it */
export function issueList(issues: readonly Issue[], root: string, now: Date, single = false): Html {
  return html`<ul class="issues card">
    ${issues.map((issue) => issueItem(issue, root, now, single))}
  </ul>`;
}

function issueItem(issue: Issue, root: string, now: Date, single: boolean): Html {
  const { severity, exports, where, what, hint, code, intervals, retryAt, others, paused, probeAt } = issue;
  const facts = [
    ...(intervals.length > 0 ? [html`${plural(intervals.length, "interval")} failed, ${range(hull(intervals))}`] : []),
    ...(paused > 0 ? [html`${exports.length === 1 ? "" : `${count(paused)} `}paused`] : []),
    ...(paused > 0 && probeAt ? [html`one interval is tried ${ago(probeAt, now)}`] : []),
    ...(retryAt && paused === 0 ? [html`retried ${ago(retryAt, now)}`] : []),
    ...(code === undefined ? [] : [html`<code>${code}</code>`]),
  ];
  return html`<li class="is-${severity}">
    ${
      single
        ? ""
        : html`<h3>
            ${exports.length === 1 ? exportLink(exports[0] ?? "", root) : html`${count(exports.length)} exports`}
            ${where === "" ? "" : html`<small>${where}</small>`}
          </h3>`
    }
    <p class="${severity === "bad" ? "error" : ""}">${what}</p>
    ${hint === undefined ? "" : html`<p>${hint}</p>`}
    ${
      others.length === 0
        ? ""
        : html`<details data-key="${what}">
            <summary class="quiet">${plural(others.length, "other message")}</summary>
            ${others.slice(0, OTHERS_SHOWN).map((text) => html`<p class="error">${text}</p>`)}
          </details>`
    }
    ${facts.length === 0 ? "" : html`<p class="quiet">${facts.map((fact, at) => html`${at > 0 ? ", " : ""}${fact}`)}</p>`}
    ${exports.length > 1 ? html`<p>${exportLinks(exports, root)}</p>` : ""}
  </li>`;
}

export function exportLink(name: string, root: string): Html {
  return html`<a href="${root}exports/${encodeURIComponent(name)}">${name}</a>`;
}

function exportLinks(names: readonly string[], root: string): Html {
  const more = names.length - EXPORTS_SHOWN;
  return html`${names.slice(0, EXPORTS_SHOWN).map((name, at) => html`${at > 0 ? ", " : ""}${exportLink(name, root)}`)}${
    more > 0 ? html` and ${count(more)} more` : ""
  }`;
}
