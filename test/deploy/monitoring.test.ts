/** The alert rules and the Grafana board: each expression is PromQL, and asks only for metrics and labels that there are. */
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { suite, test } from "node:test";
import { parser } from "@prometheus-io/lezer-promql";
import { parse } from "yaml";
import { createMetrics } from "../../src/web/metrics.ts";
import { fakeFleet } from "../support/fake_fleet.ts";

interface Rule {
  readonly record?: string;
  readonly alert?: string;
  readonly expr: string;
  readonly labels?: Readonly<Record<string, string>>;
  readonly annotations?: Readonly<Record<string, string>>;
}
interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string; readonly datasource: { readonly uid: string } }[];
}
interface Board {
  readonly panels: readonly Panel[];
  readonly templating: { readonly list: readonly { readonly name: string; readonly query: unknown }[] };
}

const { groups } = parse(readFileSync("deploy/prometheus/alerts.yaml", "utf8")) as {
  readonly groups: readonly { readonly rules: readonly Rule[] }[];
};
const rules = groups.flatMap((group) => group.rules);
const board = JSON.parse(readFileSync("deploy/grafana/replayport.json", "utf8")) as Board;
/** What Grafana puts in the place of its variables. */
const filled = (expr: string): string => expr.replaceAll("$__rate_interval", "5m").replaceAll("$export", ".*");

/** The names of all metrics, with the labels that they have in the fake fleet, or by their definition. */
async function known(): Promise<ReadonlySet<string>> {
  using metrics = createMetrics(fakeFleet());
  const text = await metrics.text(AbortSignal.timeout(10_000));
  const names = new Set<string>();
  for (const [, name = "", type] of text.matchAll(/^# TYPE (\S+) (\S+)$/gm)) {
    names.add(name);
    if (type === "histogram") for (const suffix of ["bucket", "sum", "count"]) names.add(`${name}_${suffix}`);
  }
  for (const { record } of rules) if (record !== undefined) names.add(record);
  return names;
}

/** The metrics that an expression asks for. @throws where it isn't PromQL */
function metricsOf(expr: string): string[] {
  const tree = parser.parse(expr);
  const names: string[] = [];
  tree.iterate({
    enter({ type, from, to }) {
      if (type.isError) throw new Error(`no PromQL at ${from}: ${expr}`);
      if (type.name === "Identifier" && expr[to] !== "=") names.push(expr.slice(from, to));
    },
  });
  return names;
}

suite("monitoring", () => {
  test("an expression that isn't PromQL, or asks for a metric that is unknown, is found", async () => {
    assert.throws(() => metricsOf("sum by (export (replayport_lag_seconds)"), /no PromQL/);
    assert.deepEqual(metricsOf('max by (state) (replayport_queue_jobs{state="x"}) > 1'), ["replayport_queue_jobs"]);
    assert.ok(!(await known()).has("replayport_lag"));
  });

  test("each alert asks for metrics that there are, and says what to do", async () => {
    const names = await known();
    assert.ok(rules.length > 5);
    for (const { record, alert, expr, labels, annotations } of rules) {
      const used = metricsOf(expr);
      assert.ok(used.length > 0, expr);
      for (const name of used) assert.ok(names.has(name), `${alert ?? record}: ${name}`);
      if (alert === undefined) continue;
      assert.match(alert, /^Replayport[A-Z]/);
      assert.match(labels?.["severity"] ?? "", /^(?:critical|warning|info)$/, alert);
      assert.ok((annotations?.["summary"] ?? "") !== "" && (annotations?.["description"] ?? "") !== "", alert);
    }
  });

  test("each panel of the board asks for metrics that there are, from the data source that the reader chooses", async () => {
    const names = await known();
    for (const { title, type, targets = [] } of board.panels) {
      assert.equal(targets.length > 0, type !== "row", title);
      for (const { expr, datasource } of targets) {
        assert.equal(datasource.uid, "${datasource}", title);
        const used = metricsOf(filled(expr));
        assert.ok(used.length > 0, title);
        for (const name of used) assert.ok(names.has(name), `${title}: ${name}`);
      }
    }
    assert.deepEqual(
      board.templating.list.map(({ name }) => name),
      ["datasource", "export"],
    );
  });

  test("each metric of ours is on the board or in an alert, but for the counters that say little alone", async () => {
    const used = new Set(
      [...rules.map(({ expr }) => expr), ...board.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => expr))]
        .flatMap((expr) => metricsOf(filled(expr)))
        .map((name) => name.replace(/_(?:bucket|sum|count)$/, "")),
    );
    const ours = [...(await known())].filter(
      (name) => name.startsWith("replayport_") && !/_(?:bucket|sum|count)$/.test(name),
    );
    assert.deepEqual(
      ours.filter((name) => !used.has(name)),
      [
        "replayport_files_total",
        "replayport_enqueued_total",
        "replayport_http_request_duration_seconds",
        "replayport_http_wrong_tokens_total",
        // Recorded for the Helm chart's HPA.
        "replayport_waiting_jobs",
      ],
    );
  });

  test("no two panels of the board overlap or have one id", () => {
    const places = new Set<string>();
    for (const { title, gridPos } of board.panels) {
      assert.ok(gridPos.x + gridPos.w <= 24, title);
      for (let x = gridPos.x; x < gridPos.x + gridPos.w; x += 1) {
        for (let y = gridPos.y; y < gridPos.y + gridPos.h; y += 1) {
          assert.ok(!places.has(`${x} ${y}`), title);
          places.add(`${x} ${y}`);
        }
      }
    }
    assert.equal(new Set(board.panels.map(({ id }) => id)).size, board.panels.length);
  });
});
