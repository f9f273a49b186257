/** The dashboard's frame, and what is on top of it: health, warnings, the queue. */
import { html } from "hono/html";
import type { Backfill, ExportStatus, FleetHealth, QueueDepth, Run } from "../../queue/fleet.ts";
import { VERSION } from "../../version.ts";
import { backfillsSection } from "./backfills_section.ts";
import { exportsSection } from "./exports_section.ts";
import { count, type Html, plural } from "./format.ts";
import { failuresSection, runningSection } from "./runs_section.ts";
import { pageOf } from "./style.ts";

export interface Snapshot {
  readonly at: Date;
  readonly health: FleetHealth;
  readonly exports: readonly ExportStatus[];
  /** Undefined where it could not be read. */
  readonly queue: QueueDepth | undefined;
  readonly backfills: readonly Backfill[];
  /** Running, or waiting for their next attempt. */
  readonly running: readonly Run[];
  readonly failed: readonly Run[];
  /** Why a part of this is empty; redacted. */
  readonly problems: readonly string[];
}

const REFRESH_SECONDS = 10;

export function dashboardPage(snapshot: Snapshot, login: "none" | "out" | "in"): Html {
  const { at, exports, backfills, running, failed, problems } = snapshot;
  return pageOf(
    { title: titleOf(snapshot), refreshSeconds: REFRESH_SECONDS },
    html`<header>
        <h1>Replayport</h1>
        ${summary(snapshot)}
        <span class="quiet">${at.toISOString().slice(11, 19)} UTC, again every ${REFRESH_SECONDS} s</span>
      </header>
      <main>
        ${problems.map((problem) => html`<p class="note bad" role="alert">${problem}</p>`)}
        ${snapshot.health.warnings.map((warning) => html`<p class="note warn">${warning}</p>`)} ${tiles(snapshot)}
        ${exportsSection(exports, at)} ${failuresSection(failed, at)} ${backfillsSection(backfills, at)}
        ${runningSection(running, at)}
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

/** What is wrong stands in the title, for who keeps the page in a tab. */
function titleOf({ exports, problems }: Snapshot): string {
  if (problems.length > 0) return "✕ Replayport";
  const ill = exports.filter((one) => one.paused !== undefined || one.failuresInRow > 0).length;
  return ill === 0 ? "Replayport" : `(${ill}) Replayport`;
}

function summary({ exports, health, problems }: Snapshot): Html {
  if (!health.redis) return html`<span class="badge bad">Redis is away</span>`;
  if (problems.length > 0) return html`<span class="badge bad">not all could be read</span>`;
  const paused = exports.filter((one) => one.paused !== undefined).length;
  const failing = exports.filter((one) => one.failuresInRow > 0 && one.paused === undefined).length;
  if (paused + failing === 0) return html`<span class="badge good">all is well</span>`;
  return html`${failing > 0 ? html`<span class="badge bad">${count(failing)} failing</span>` : ""}
  ${paused > 0 ? html`<span class="badge warn">${count(paused)} paused</span>` : ""}`;
}

function tiles({ queue, health }: Snapshot): Html {
  const tile = (name: string, value: number | undefined, rest = ""): Html =>
    html`<div>
      <dt>${name}</dt>
      <dd>${value === undefined ? "–" : count(value)} ${rest === "" ? "" : html`<small>${rest}</small>`}</dd>
    </div>`;
  const of = (kind: "scheduler" | "worker"): number => health.members.filter((one) => one.kind === kind).length;
  return html`<dl class="tiles">
    ${tile("Running", queue?.active)} ${tile("Waiting", queue?.waiting)} ${tile("Waiting, backfills", queue?.backfill)}
    ${tile("To be tried again", queue?.delayed)}
    ${tile("Workers", health.redis ? of("worker") : undefined, health.redis ? plural(of("scheduler"), "scheduler") : "")}
  </dl>`;
}
