/** The dashboard: what needs attention, every export, what runs. */
import { html } from "hono/html";
import type { Backfill, ExportStatus, FleetHealth, QueueDepth, Run } from "../../fleet/fleet.ts";
import { issuesOf } from "./attention.ts";
import { issueList } from "./attention_section.ts";
import { backfillsSection } from "./backfills_section.ts";
import { type Condition, CONDITIONS, conditionOf } from "../../fleet/condition.ts";
import { isFailing, NAMES } from "./condition.ts";
import { exportSections } from "./exports_section.ts";
import { count, type Html, plural, span } from "./format.ts";
import { failuresSection, runningSection } from "./runs_section.ts";
import { pageOf, type Visitor } from "./shell.ts";

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

/** Which exports the visitor asked for. */
export interface Filter {
  /** Words that an export's name, destination or schedule has. Empty: all. */
  readonly search: string;
  readonly condition: Condition | undefined;
}

export interface OverviewState {
  readonly visitor: Visitor;
  /** False while somebody reads it. */
  readonly refreshes: boolean;
  readonly filter: Filter;
}

const ISSUES_SHOWN = 12;
const BACKFILLS_SHOWN = 6;
const RUNS_SHOWN = 12;

export function overviewPage(snapshot: Snapshot, { visitor, refreshes, filter }: OverviewState): Html {
  const { at, exports, problems, health, running: runs } = snapshot;
  // Without an answer nobody knows which exports there are.
  const names = exports.length === 0 ? undefined : new Set(exports.map((one) => one.export));
  const failed = snapshot.failed.filter((run) => names?.has(run.export) ?? true);
  const found = exports.filter((one) => matches(one, filter.search));
  const chosen = found.filter((one) => filter.condition === undefined || conditionOf(one) === filter.condition);
  const filtered = filter.search !== "" || filter.condition !== undefined;
  const issues = issuesOf(chosen, runs);
  return pageOf(
    { title: titleOf(snapshot), root: "./", at, visitor, refreshes, problems, self: "./" },
    html`<div id="summary" data-live>
        <div class="head">
          <h1>Exports</h1>
          ${summary(snapshot)}
        </div>
        ${[...missing(health), ...health.warnings].map((warning) => html`<p class="note warn">${warning}</p>`)}
        ${tiles(snapshot)}
      </div>
      <form class="find" role="search" method="get" action="./">
        <input
          type="search"
          name="q"
          value="${filter.search}"
          placeholder="Search exports  /"
          aria-label="Search exports"
          autocomplete="off"
        />
        ${filter.condition === undefined ? "" : html`<input type="hidden" name="state" value="${filter.condition}" />`}
        <noscript><button>Search</button></noscript>
        <div id="chips" data-live>${chips(found, filter)}</div>
      </form>
      <div id="exports" data-live>
        ${issues.length === 0 ? "" : attention(issues.length, issueList(issues.slice(0, ISSUES_SHOWN), "./", at))}
        ${exportSections(chosen, filtered, at)}
      </div>
      <div id="work" data-live>
        ${backfillsSection(newestFirst(snapshot.backfills), { names, shown: BACKFILLS_SHOWN, root: "./", now: at })}
        ${runningSection(runs.slice(0, RUNS_SHOWN), at)} ${failuresSection(failed, exports, at)}
      </div>`,
  );
}

function attention(number: number, list: Html): Html {
  const more = number - ISSUES_SHOWN;
  return html`<section aria-labelledby="attention">
    <h2 id="attention">Needs attention</h2>
    ${list}
    ${more > 0 ? html`<p class="quiet">And ${plural(more, "other problem")}: filter the exports to see them.</p>` : ""}
  </section>`;
}

/** Running ones first. */
function newestFirst(backfills: readonly Backfill[]): Backfill[] {
  return [...backfills].sort((a, b) => Number(b.state === "running") - Number(a.state === "running"));
}

/** Whether it has every word. */
function matches(one: ExportStatus, search: string): boolean {
  const text = `${one.export} ${one.destination} ${one.schedule}`.toLowerCase();
  return search
    .toLowerCase()
    .split(/\s+/)
    .every((word) => text.includes(word));
}

function queryOf(search: string, condition: Condition | undefined): string {
  const query = new URLSearchParams();
  if (search !== "") query.set("q", search);
  if (condition !== undefined) query.set("state", condition);
  return query.size === 0 ? "" : `?${query.toString()}`;
}

function chips(found: readonly ExportStatus[], { search, condition }: Filter): Html {
  const of = Map.groupBy(found, (one) => conditionOf(one));
  const shown = CONDITIONS.filter((one) => of.has(one) || one === condition);
  const chip = (one: Condition | undefined, text: string, number: number): Html =>
    html`<li>
      <a href="./${queryOf(search, one)}" ${one === condition ? html` aria-current="true"` : ""}
        >${text} ${count(number)}</a
      >
    </li>`;
  return html`<ul class="chips">
    ${chip(undefined, "all", found.length)} ${shown.map((one) => chip(one, NAMES[one], of.get(one)?.length ?? 0))}
  </ul>`;
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
  const conditions = exports.map((one) => conditionOf(one));
  const of = (condition: Condition): number => conditions.filter((one) => one === condition).length;
  const failing = of("failing") + of("unreadable");
  const paused = of("paused");
  const late = of("late");
  const badges = [
    failing > 0 ? html`<span class="badge bad">${count(failing)} failing</span>` : "",
    paused > 0 ? html`<span class="badge warn">${count(paused)} paused</span>` : "",
    late > 0 ? html`<span class="badge warn">${count(late)} late</span>` : "",
  ];
  if (failing + paused + late + missing(health).length === 0) {
    badges.unshift(html`<span class="badge good">all is well</span>`);
  }
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
  const number = (value: number | undefined): string | undefined => (value === undefined ? undefined : count(value));
  const known = exports.filter(({ lateSeconds }) => lateSeconds !== undefined);
  const latest = known.reduce<ExportStatus | undefined>(
    (most, one) => ((one.lateSeconds ?? 0) > (most?.lateSeconds ?? 0) ? one : most),
    undefined,
  );
  const late = latest?.lateSeconds ?? 0;
  const backfill = queue && queue.backfill > 0 ? `and ${count(queue.backfill)} of backfills` : "";
  return html`<dl class="tiles">
    ${tile("Running", number(queue?.active))} ${tile("Waiting", number(queue?.waiting), backfill)}
    ${tile("Retrying", number(queue?.delayed))}
    ${tile("Most late", known.length === 0 ? undefined : late > 0 ? `by ${span(late)}` : "on time", latest?.export ?? "")}
    ${tile("Workers", health.redis ? count(of("worker", health)) : undefined, health.redis ? plural(of("scheduler", health), "scheduler") : "")}
  </dl>`;
}

export function tile(name: string, value: Html | string | undefined, rest: Html | string = ""): Html {
  return html`<div>
    <dt>${name}</dt>
    <dd>${value ?? "–"} ${rest === "" ? "" : html`<small>${rest}</small>`}</dd>
  </div>`;
}
