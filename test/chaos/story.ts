/** What may happen in a story: to PostHog, to the source, to the worker, and to the export's definition. */
import fc from "fast-check";
import type { Fate } from "./disturbance.ts";

/** Where a worker is disturbed: at the nth step of its load. */
export interface Disturbance {
  readonly fate: Fate;
  readonly step: number;
  /** Count only steps that change something: reads are most of a load. */
  readonly writes: boolean;
}

export type StoryEvent =
  /** A partial row arrives; `lateMinutes` after its `_timestamp`. */
  | {
      readonly kind: "row";
      readonly session: number;
      readonly lateMinutes: number;
      /** How long ago the session began, by the client's clock. */
      readonly ageHours: number;
      readonly size: number;
    }
  | { readonly kind: "tag"; readonly session: number; readonly tag: number }
  /** `odd`: by a clock that is behind. */
  | { readonly kind: "delete"; readonly session: number; readonly odd: boolean }
  | { readonly kind: "merge" }
  | { readonly kind: "wait"; readonly minutes: number }
  /** PostHog purges what was deleted: the markers go, and with them rows that have merged with one. */
  | { readonly kind: "purge" }
  /** The table's TTL. */
  | { readonly kind: "retention"; readonly hours: number }
  /** A shard is away, or a replica behind: half of a session's rows, or all of them. */
  | { readonly kind: "hide"; readonly session: number; readonly all: boolean }
  | { readonly kind: "show" }
  /** PostHog's consumer is away. What comes meanwhile arrives when it's `back`, with the `_timestamp` it had in Kafka. */
  | { readonly kind: "away" | "back" }
  /** It's away for so long that everything is read meanwhile, and swept. */
  | { readonly kind: "outage"; readonly sessions: readonly number[]; readonly hours: number }
  /** Loads what is due, the nth of it first. `isWatched`: somebody reads after each step. */
  | {
      readonly kind: "load";
      readonly pick: number;
      readonly count: number;
      readonly disturbed: Disturbance | undefined;
      readonly isWatched: boolean;
    }
  | {
      readonly kind: "reload";
      readonly pick: number;
      readonly disturbed: Disturbance | undefined;
      readonly isWatched: boolean;
    }
  /** Joins turns of the schedule to one batch, as a backfill does. */
  | {
      readonly kind: "join";
      readonly pick: number;
      readonly hours: number;
      readonly disturbed: Disturbance | undefined;
      readonly isWatched: boolean;
    }
  /**
   * Two attempts at the same time, of one batch, or of one and a longer one that has it. The first sleeps at a step, for so many
   * minutes, until the second is done.
   */
  | {
      readonly kind: "race";
      readonly pick: number;
      readonly hours: number;
      readonly step: number;
      readonly minutes: number;
    }
  /** Two attempts of one batch at the same time, whose steps take turns. */
  | { readonly kind: "interleave"; readonly pick: number; readonly turns: readonly boolean[] }
  /** Two batches at the same time. */
  | { readonly kind: "together"; readonly pick: number }
  /** A load of a machine whose clock is wrong. */
  | { readonly kind: "skew"; readonly pick: number; readonly minutes: number }
  /** A load whose answer breaks off, without an error. */
  | { readonly kind: "truncate"; readonly pick: number; readonly keep: number }
  /** The operator changes the columns, the path and the format, or the conditions. */
  | { readonly kind: "rules"; readonly exclude: boolean }
  | { readonly kind: "layout"; readonly layout: number }
  | { readonly kind: "where"; readonly where: number }
  | { readonly kind: "audit" }
  /** Another installation that has the same prefix. */
  | { readonly kind: "foreign"; readonly pick: number }
  /** The lake is copied, so its files have other times. */
  | { readonly kind: "copy" }
  /** Somebody removes a data file. */
  | { readonly kind: "lose"; readonly pick: number }
  | { readonly kind: "gc" }
  /** A person reads by the printed SQL. */
  | { readonly kind: "query" };

/** What holds for all of a story. */
export interface Setup {
  readonly keepReplacedMs: number;
  readonly sweep: boolean;
  readonly where: number;
}

export interface Story {
  readonly setup: Setup;
  readonly events: readonly StoryEvent[];
}

export interface StoryShape {
  /** A worker is disturbed at one of so many steps. */
  readonly steps: number;
  /** At most. */
  readonly chapters: number;
  /** Whether the target has files, and stories with all that can happen to those. */
  readonly files: boolean;
}

/** Of `npm run chaos` and of the test. */
export const LAKE_STORIES: StoryShape = { steps: 12, chapters: 5, files: true };

const aSession = fc.integer({ min: 0, max: 5 });
const pick = fc.nat(1000);
const isWatched = fc.boolean();
const where = fc.constantFrom(0, 0, 1, 2);

type EventOf<Kind extends StoryEvent["kind"]> = Extract<StoryEvent, { readonly kind: Kind }>;
type Fields<Kind extends StoryEvent["kind"]> = {
  readonly [Key in Exclude<keyof EventOf<Kind>, "kind">]: fc.Arbitrary<EventOf<Kind>[Key]>;
};

const of = <Kind extends StoryEvent["kind"]>(weight: number, kind: Kind, fields: Fields<Kind>) => ({
  weight,
  // The compiler can't tell that the fields make the event of this kind.
  arbitrary: fc.record({ kind: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<StoryEvent>,
});

const arrivals = [
  of(6, "row", {
    session: aSession,
    lateMinutes: fc.constantFrom(0, 0, 0, 0, 3, 30, 300, 3000),
    ageHours: fc.constantFrom(0, 0, 1, 20, 200, -30),
    size: fc.integer({ min: 1, max: 5 }),
  }),
  of(1, "tag", { session: aSession, tag: fc.integer({ min: 0, max: 3 }) }),
  of(2, "delete", { session: aSession, odd: fc.boolean() }),
] as const;

/** Rows arrive, time passes, somebody loads, and then anything may happen. */
function aChapter({ steps, files }: StoryShape): fc.Arbitrary<StoryEvent[]> {
  const fates: readonly Fate[] = files
    ? ["dies before", "dies after", "answer lost", "refused"]
    : ["dies before", "dies after"];
  const step = fc.integer({ min: 1, max: steps });
  const writes = files ? fc.constantFrom(true, true, false) : fc.constant(false);
  const how = fc.record({ fate: fc.constantFrom(...fates), step, writes });
  const disturbed = fc.option(how, { nil: undefined, freq: 2 });
  const load = of(2, "load", { pick, count: fc.integer({ min: 1, max: 6 }), disturbed, isWatched });
  const anything = fc.oneof(
    ...arrivals,
    load,
    of(2, "wait", { minutes: fc.constantFrom(1, 30, 130, 250, 500, 1500) }),
    of(2, "merge", {}),
    of(3, "purge", {}),
    of(2, "retention", { hours: fc.constantFrom(1, 24, 72) }),
    of(2, "hide", { session: aSession, all: fc.boolean() }),
    of(1, "show", {}),
    of(1, "away", {}),
    of(1, "back", {}),
    of(1, "outage", {
      sessions: fc.array(aSession, { minLength: 1, maxLength: 3 }),
      hours: fc.constantFrom(2, 30, 50),
    }),
    of(4, "reload", { pick, disturbed, isWatched }),
    of(3, "join", { pick, hours: fc.constantFrom(8, 24), disturbed, isWatched }),
    of(2, "race", { pick, hours: fc.constantFrom(0, 0, 8, 24), step, minutes: fc.constantFrom(0, 90) }),
    of(1, "together", { pick }),
    of(1, "skew", { pick, minutes: fc.constantFrom(-5760, -60, -2, 2, 60, 5760) }),
    of(1, "truncate", { pick, keep: fc.nat(99) }),
    of(1, "rules", { exclude: fc.boolean() }),
    ...(files
      ? [
          of(2, "interleave", { pick, turns: fc.array(fc.boolean(), { minLength: 12, maxLength: 12 }) }),
          of(1, "layout", { layout: fc.nat(2) }),
          of(1, "where", { where }),
          of(1, "audit", {}),
          of(1, "foreign", { pick }),
          of(1, "copy", {}),
          of(1, "lose", { pick }),
          of(1, "gc", {}),
          of(1, "query", {}),
        ]
      : []),
  );
  const some = (one: fc.Arbitrary<StoryEvent>, minLength: number, maxLength: number): fc.Arbitrary<StoryEvent[]> =>
    fc.array(one, { minLength, maxLength, size: "max" });
  const later = of(1, "wait", { minutes: fc.constantFrom(250, 250, 500, 1500) });
  return fc
    .tuple(some(fc.oneof(...arrivals), 1, 4), later.arbitrary, load.arbitrary, some(anything, 2, 6))
    .map(([before, wait, loads, after]) => [...before, wait, loads, ...after]);
}

export function stories(shape: StoryShape): fc.Arbitrary<Story> {
  const { chapters, files } = shape;
  const setup = files
    ? fc.record({ keepReplacedMs: fc.constantFrom(0, 3_600_000), sweep: fc.constantFrom(true, true, false), where })
    : fc.constant({ keepReplacedMs: 0, sweep: true, where: 0 });
  const all = fc.array(aChapter(shape), { minLength: Math.ceil(chapters / 2), maxLength: chapters, size: "max" });
  return fc.record({ setup, events: all.map((one) => one.flat()) });
}
