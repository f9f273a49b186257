/** What is told, and when: pure, with a clock of our own. */
import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { type Alert, nextAlerts, type FleetView, type Limits, type Notification } from "../../src/alerts/alert.ts";
import { messageOfAlerts } from "../../src/alerts/message.ts";
import type { ExportStatus } from "../../src/fleet/fleet.ts";
import { backfill, ERROR, exportStatus, hours, NOW, PAUSE } from "../support/fake_fleet.ts";

const HOUR_MS = 3_600_000;
const LIMITS: Limits = { lagAboveMs: 3 * HOUR_MS, repeatAfterMs: 12 * HOUR_MS };
const WELL = exportStatus("replays");
const FAILED: Partial<ExportStatus> = {
  failuresInRow: 1,
  lastError: ERROR,
  failedIntervals: [{ interval: hours(3), error: ERROR, retryAt: undefined }],
};

/** Plays views at moments, in hours from now on, and gives what is told at each: `firing failed/replays`. */
function play(...turns: readonly (readonly [hour: number, view: Partial<FleetView>])[]): string[][] {
  let notified: ReadonlyMap<string, Notification> = new Map();
  return turns.map(([hour, view]) => {
    const now = new Date(NOW.getTime() + hour * HOUR_MS);
    const decision = nextAlerts({ exports: [WELL], backfills: [], ...view }, LIMITS, notified, now);
    notified = decision.notified;
    return decision.alerts.map(({ status, id, repeated }) => `${status} ${id}${repeated ? " again" : ""}`);
  });
}
const view = (given: Partial<ExportStatus>): Partial<FleetView> => ({ exports: [exportStatus("replays", given)] });

suite("an alert", () => {
  test("is told once, not again while it goes on, and once when it is over", () => {
    assert.deepEqual(play([0, {}], [1, view(FAILED)], [1.1, view(FAILED)], [12.9, view(FAILED)], [13, {}], [14, {}]), [
      [],
      ["firing failed/replays"],
      [],
      [],
      ["resolved failed/replays"],
      [],
    ]);
  });

  test("is told again each time that the hours have passed", () => {
    const turns = [0, 11.9, 12, 12.1, 23.9, 24].map((hour) => [hour, view(FAILED)] as const);
    assert.deepEqual(
      play(...turns).map((notified) => notified.length),
      [1, 0, 1, 0, 0, 1],
    );
    assert.deepEqual(play(...turns)[2], ["firing failed/replays again"]);
  });

  test("begins anew after it was over", () => {
    const notified = play([0, view(FAILED)], [1, {}], [1.1, view(FAILED)]);
    assert.deepEqual(notified, [["firing failed/replays"], ["resolved failed/replays"], ["firing failed/replays"]]);
  });

  test("goes on while an interval is held, though others were loaded", () => {
    assert.deepEqual(play([0, view(FAILED)], [1, view({ ...FAILED, failuresInRow: 0 })]), [
      ["firing failed/replays"],
      [],
    ]);
  });

  test("of a clock that jumps back is not told again", () => {
    assert.deepEqual(play([0, view(FAILED)], [-48, view(FAILED)], [1, view(FAILED)]), [
      ["firing failed/replays"],
      [],
      [],
    ]);
  });

  test("of an export that left the config is over", () => {
    assert.deepEqual(play([0, view(FAILED)], [1, { exports: [] }])[1], ["resolved failed/replays"]);
  });

  test("of many exports is one each", () => {
    const exports = ["a", "b", "c"].map((name) => exportStatus(name, FAILED));
    assert.deepEqual(play([0, { exports }]), [["firing failed/a", "firing failed/b", "firing failed/c"]]);
  });
});

suite("a destination that cannot be asked", () => {
  const away = view({ ledgerError: ERROR, lagSeconds: undefined });

  test("is told when it has gone on for five minutes, and is over when it answers", () => {
    const minute = 1 / 60;
    assert.deepEqual(play([0, away], [4 * minute, away], [5 * minute, away], [6 * minute, away], [1, {}]), [
      [],
      [],
      ["firing ledger/replays"],
      [],
      ["resolved ledger/replays"],
    ]);
  });

  test("is not told, nor told to be over, where it was a moment", () => {
    assert.deepEqual(play([0, away], [0.05, {}], [0.09, away], [0.1, {}]), [[], [], [], []]);
  });
});

suite("lag", () => {
  test("above the limit, and below it again", () => {
    const lag = (seconds: number | undefined) => view({ lagSeconds: seconds });
    assert.deepEqual(play([0, lag(10_800)], [1, lag(10_801)], [2, lag(14_400)], [3, lag(3600)]), [
      [],
      ["firing lag/replays"],
      [],
      ["resolved lag/replays"],
    ]);
  });

  test("of a paused export is said by the pause, and stays as it was told", () => {
    const lag = { lagSeconds: 90_000 };
    assert.deepEqual(play([0, view({ ...lag, paused: PAUSE })]), [["firing paused/replays"]]);
    assert.deepEqual(play([0, view(lag)], [1, view({ ...lag, paused: PAUSE })], [2, view(lag)], [3, {}]), [
      ["firing lag/replays"],
      ["firing paused/replays"],
      ["resolved paused/replays"],
      ["resolved lag/replays"],
    ]);
  });

  test("that is not known is not taken for none: Redis was flushed", () => {
    const flushed = view({ lagSeconds: undefined, loadedUntil: undefined, due: undefined });
    assert.deepEqual(play([0, view({ lagSeconds: 90_000 })], [1, flushed], [2, {}]), [
      ["firing lag/replays"],
      [],
      ["resolved lag/replays"],
    ]);
    assert.deepEqual(play([0, flushed]), [[]]);
  });

  test("is no reason where no limit is set", () => {
    const { alerts } = nextAlerts(
      { exports: [exportStatus("a", { lagSeconds: 1e9 })], backfills: [] },
      { ...LIMITS, lagAboveMs: undefined },
      new Map(),
      NOW,
    );
    assert.deepEqual(alerts, []);
  });
});

suite("backfills", () => {
  const failed = backfill({ state: "failed", failed: 2, failures: [{ interval: hours(1), error: ERROR }] });

  test("a failed interval is told, and is over once it is retried, done or cancelled", () => {
    for (const end of [{ failed: 0 }, { state: "done" as const, failed: 0 }, { state: "cancelled" as const }]) {
      assert.deepEqual(play([0, { backfills: [failed] }], [1, { backfills: [{ ...failed, ...end }] }]), [
        ["firing backfill_failed/replays/k3v9x0qa"],
        ["resolved backfill_failed/replays/k3v9x0qa"],
      ]);
    }
  });
});

test("whatever happens: firing and resolved take turns, and a firing is repeated only after the hours", () => {
  const state = fc.record({
    failed: fc.boolean(),
    paused: fc.boolean(),
    lag: fc.option(fc.integer({ min: 0, max: 20_000 }), { nil: undefined }),
    hours: fc.double({ min: 0, max: 30, noNaN: true }),
  });
  fc.assert(
    fc.property(fc.array(state, { maxLength: 30 }), (turns) => {
      let notified: ReadonlyMap<string, Notification> = new Map();
      let now = NOW;
      const open = new Map<string, Date>();
      for (const { failed, paused, lag, hours: passed } of turns) {
        now = new Date(now.getTime() + passed * HOUR_MS);
        const one = exportStatus("a", {
          lagSeconds: lag,
          ...(failed ? FAILED : {}),
          ...(paused ? { paused: PAUSE } : {}),
        });
        const decision = nextAlerts({ exports: [one], backfills: [] }, LIMITS, notified, now);
        notified = decision.notified;
        for (const alert of decision.alerts) {
          const before = open.get(alert.id);
          if (alert.status === "resolved") {
            assert.ok(before);
            open.delete(alert.id);
            continue;
          }
          assert.equal(alert.repeated, before !== undefined);
          if (before) assert.ok(now.getTime() - before.getTime() >= LIMITS.repeatAfterMs);
          open.set(alert.id, now);
        }
        assert.deepEqual([...notified.keys()].sort(), [...open.keys()].sort());
        assert.equal(open.has("failed/a"), failed);
        assert.equal(open.has("paused/a"), paused);
      }
    }),
  );
});

suite("messages", () => {
  const alert: Alert = {
    id: "failed/replays",
    kind: "failed",
    export: "replays",
    backfill: undefined,
    message: "The export replays failed for good: <b>no</b> & no\nmore",
    hint: "Run <!channel> again.",
    code: undefined,
    status: "firing",
    since: NOW,
    repeated: false,
  };

  test("as JSON: every field is always there", () => {
    assert.deepEqual(messageOfAlerts([alert], "json", NOW), {
      source: "replayport",
      sentAt: "2026-10-05T12:00:00.000Z",
      total: 1,
      alerts: [
        {
          id: "failed/replays",
          kind: "failed",
          status: "firing",
          export: "replays",
          backfill: null,
          message: alert.message,
          hint: alert.hint,
          code: null,
          since: "2026-10-05T12:00:00.000Z",
          repeated: false,
        },
      ],
    });
  });

  test("as JSON: of thousands, the first 500 and how many there are", () => {
    const many = Array.from({ length: 10_000 }, (_, index) => ({ ...alert, id: `failed/${index}` }));
    const message = messageOfAlerts(many, "json", NOW) as { total: number; alerts: unknown[] };
    assert.equal(message.total, 10_000);
    assert.equal(message.alerts.length, 500);
  });

  test("as Slack takes them: nothing in them is markup", () => {
    const alerts = [alert, { ...alert, repeated: true }, { ...alert, status: "resolved" as const }];
    const { text } = messageOfAlerts(alerts, "slack", NOW) as { text: string };
    const said = "The export replays failed for good: &lt;b&gt;no&lt;/b&gt; &amp; no more";
    assert.equal(
      text,
      `:rotating_light: ${said}\n> Run &lt;!channel&gt; again.\n` +
        `:rotating_light: *Still, since 2026-10-05 12:00 UTC:* ${said}\n> Run &lt;!channel&gt; again.\n` +
        `:white_check_mark: *Resolved:* ${said}`,
    );
  });

  test("of 100 alerts Slack shows 20", () => {
    const { text } = messageOfAlerts(
      Array.from({ length: 100 }, () => alert),
      "slack",
      NOW,
    ) as { text: string };
    assert.match(text, /… and 80 more$/);
  });

  test("say what to do", () => {
    const failedIntervals = [{ interval: hours(3), error: ERROR, retryAt: undefined }];
    const exports = [
      exportStatus("a", { paused: PAUSE, failedIntervals, lagSeconds: 1e6 }),
      exportStatus("b", { lagSeconds: 1e6 }),
    ];
    const { alerts } = nextAlerts({ exports, backfills: [] }, LIMITS, new Map(), NOW);
    assert.deepEqual(
      alerts.map(({ message }) => message),
      [
        "The export a failed for good (1 interval): ClickHouse at clickhouse:8123 does not answer",
        "The export a is paused (by replayport): 10 intervals failed in a row",
        "The export b is 277 h behind (limit 3 h; loaded until 2026-10-05T11:00:00.000Z)",
      ],
    );
    assert.ok(alerts.every(({ hint }) => (hint ?? "").length > 10));
    assert.match(alerts[1]?.hint ?? "", /replayport resume a/);
  });
});
