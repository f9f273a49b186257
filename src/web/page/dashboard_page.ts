/** The dashboard's frame and its top: health, warnings, the queue. */
import { html } from "hono/html";
import type { Backfill, ExportStatus, FleetHealth, QueueDepth, Run } from "../../fleet/fleet.ts";
import { VERSION } from "../../version.ts";
import { backfillsSection } from "./backfills_section.ts";
import { exportsSection, isFailing } from "./exports_section.ts";
import { count, type Html, plural, span } from "./format.ts";
import { failuresSection, runningSection } from "./runs_section.ts";
import { pageOf } from "./style.ts";

export interface Snapshot {
  readonly at: Date;
  readonly health: FleetHealth;
  readonly exports: readonly ExportStatus[];
  /** Undefined if it couldn't be read. */
  readonly queue: QueueDepth | undefined;
  readonly backfills: readonly Backfill[];
  /** Running or retrying. */
  readonly running: readonly Run[];
  readonly failed: readonly Run[];
  /** Why a part is empty; redacted. */
  readonly problems: readonly string[];
}

export interface PageState {
  readonly login: "none" | "out" | "in";
  /** False while somebody reads it. */
  readonly refreshes: boolean;
}

const REFRESH_SECONDS = 10;

export function dashboardPage(snapshot: Snapshot, { login, refreshes }: PageState): Html {
  const { at, exports, backfills, running, failed, problems, health } = snapshot;
  const clock = html`<time datetime="${at.toISOString()}">${at.toISOString().slice(11, 19)} UTC</time>`;
  return pageOf(
    { title: titleOf(snapshot), ...(refreshes ? { refreshSeconds: REFRESH_SECONDS } : {}) },
    html`<header>
        <h1>Replayport</h1>
        ${summary(snapshot)}
        <span class="quiet">
          ${
            refreshes
              ? html`${clock}, refreshes every ${REFRESH_SECONDS} s. <a href="./?refresh=off">Stop</a>`
              : html`${clock}, stopped. <a href="./">Refresh</a>`
          }
        </span>
      </header>
      <main>
        ${problems.map((problem) => html`<p class="note bad" role="alert">${problem}</p>`)}
        ${[...missing(health), ...health.warnings].map((warning) => html`<p class="note warn">${warning}</p>`)}
        ${tiles(snapshot)} ${exportsSection(exports, at)} ${backfillsSection(backfills, at)}
        ${runningSection(running, at)} ${failuresSection(failed, at)}
      </main>
      <footer>
        <span>Replayport ${VERSION}</span>
        <a href="api/openapi.json">API</a>
        <a href="metrics">Metrics</a>
        <span>All times are UTC.</span>
        ${login === "in" ? html`<form method="post" action="logout"><button>Log out</button></form>` : ""}
        ${login === "out" ? html`<a href="login">Log in</a>` : ""}
      </footer>`,
  );
}

/** Shows problems in the browser's tab. */
function titleOf({ exports, problems }: Snapshot): string {
  if (problems.length > 0) return "✕ Replayport";
  const ill = exports.filter((one) => one.paused !== undefined || isFailing(one)).length;
  return ill === 0 ? "Replayport" : `(${ill}) Replayport`;
}

function summary({ exports, health, problems }: Snapshot): Html {
  if (!health.redis) return html`<span class="badge bad">Redis is down</span>`;
  if (problems.length > 0) return html`<span class="badge bad">incomplete</span>`;
  const paused = exports.filter((one) => one.paused !== undefined).length;
  const failing = exports.filter(isFailing).length;
  const behind = exports.filter((one) => (one.due ?? 0) > 0 && one.paused === undefined && !isFailing(one)).length;
  const badges = [
    failing > 0 ? html`<span class="badge bad">${count(failing)} failing</span>` : "",
    paused > 0 ? html`<span class="badge warn">${count(paused)} paused</span>` : "",
    behind > 0 ? html`<span class="badge info">${count(behind)} catching up</span>` : "",
  ];
  if (failing + paused + missing(health).length === 0)
    badges.unshift(html`<span class="badge good">all is well</span>`);
  return html`${badges}`;
}

const of = (kind: "scheduler" | "worker", { processes }: FleetHealth): number =>
  processes.filter((one) => one.kind === kind).length;

/** Without these, nothing fails and nothing happens. */
function missing(health: FleetHealth): string[] {
  if (!health.redis) return [];
  const scheduler = of("scheduler", health) > 0;
  const worker = of("worker", health) > 0;
  return [
    ...(scheduler ? [] : ["No scheduler is running, so nothing is enqueued. To start one: replayport scheduler"]),
    ...(worker ? [] : ["No worker is running, so nothing is loaded. To start one: replayport worker"]),
  ];
}

function tiles({ queue, health, exports }: Snapshot): Html {
  const tile = (name: string, value: string | undefined, rest = ""): Html =>
    html`<div>
      <dt>${name}</dt>
      <dd>${value ?? "–"} ${rest === "" ? "" : html`<small>${rest}</small>`}</dd>
    </div>`;
  const number = (value: number | undefined): string | undefined => (value === undefined ? undefined : count(value));
  const last = exports.reduce<ExportStatus | undefined>(
    (most, one) => ((one.lagSeconds ?? -1) > (most?.lagSeconds ?? -1) ? one : most),
    undefined,
  );
  const lag = last?.lagSeconds;
  const backfill = queue && queue.backfill > 0 ? `and ${count(queue.backfill)} of backfills` : "";
  return html`<dl class="tiles">
    ${tile("Running", number(queue?.active))} ${tile("Waiting", number(queue?.waiting), backfill)}
    ${tile("Retrying", number(queue?.delayed))}
    ${tile("Furthest behind", lag === undefined ? undefined : span(lag), last?.export ?? "")}
    ${tile("Workers", health.redis ? count(of("worker", health)) : undefined, health.redis ? plural(of("scheduler", health), "scheduler") : "")}
  </dl>`;
}
