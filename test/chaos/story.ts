/** What may happen in a story: to PostHog, to the source, to the worker, and to the export's definition. */
import fc from "fast-check";

export type StoryEvent =
  /** A partial row arrives; `lateMinutes` after its `_timestamp`. */
  | {
      readonly kind: "row";
      readonly session: number;
      readonly lateMinutes: number;
      readonly ageHours: number;
      readonly size: number;
    }
  | { readonly kind: "tag"; readonly session: number; readonly tag: number }
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
  /** Loads what is due, the nth of it first; `crashAt` is the step of the load at which the worker is killed. */
  | {
      readonly kind: "load";
      readonly pick: number;
      readonly count: number;
      readonly crashAt: number | undefined;
      readonly isWatched: boolean;
    }
  | {
      readonly kind: "reload";
      readonly pick: number;
      readonly crashAt: number | undefined;
      readonly isWatched: boolean;
    }
  /** Joins hours to one batch, as a backfill does. */
  | { readonly kind: "join"; readonly pick: number; readonly hours: number; readonly crashAt: number | undefined }
  /** Two attempts of one batch at the same time. */
  | { readonly kind: "race"; readonly pick: number }
  /** Two batches at the same time. */
  | { readonly kind: "together"; readonly pick: number }
  /** A load of a machine whose clock is wrong. */
  | { readonly kind: "skew"; readonly pick: number; readonly minutes: number }
  /** A load whose answer breaks off, without an error. */
  | { readonly kind: "truncate"; readonly pick: number; readonly keep: number }
  /** The operator changes the columns, or the path and the format. */
  | { readonly kind: "rules"; readonly exclude: boolean }
  | { readonly kind: "layout"; readonly layout: number };

const aSession = fc.integer({ min: 0, max: 7 });
const pick = fc.nat();
const isWatched = fc.boolean();

type EventOf<Kind extends StoryEvent["kind"]> = Extract<StoryEvent, { readonly kind: Kind }>;
type Fields<Kind extends StoryEvent["kind"]> = {
  readonly [Key in Exclude<keyof EventOf<Kind>, "kind">]: fc.Arbitrary<EventOf<Kind>[Key]>;
};

const of = <Kind extends StoryEvent["kind"]>(weight: number, kind: Kind, fields: Fields<Kind>) => ({
  weight,
  // The compiler can't tell that the fields make the event of this kind.
  arbitrary: fc.record({ kind: fc.constant(kind), ...fields }) as unknown as fc.Arbitrary<StoryEvent>,
});

const anEvent = (crashAt: fc.Arbitrary<number | undefined>): fc.Arbitrary<StoryEvent> =>
  fc.oneof(
    of(7, "row", {
      session: aSession,
      lateMinutes: fc.constantFrom(0, 0, 0, 0, 3, 30, 300, 3000),
      ageHours: fc.constantFrom(0, 0, 1, 20, 200),
      size: fc.integer({ min: 1, max: 5 }),
    }),
    of(1, "tag", { session: aSession, tag: fc.integer({ min: 0, max: 3 }) }),
    of(1, "delete", { session: aSession, odd: fc.boolean() }),
    of(1, "merge", {}),
    of(4, "wait", { minutes: fc.constantFrom(1, 20, 61, 180, 1500) }),
    of(1, "purge", {}),
    of(1, "retention", { hours: fc.constantFrom(1, 24, 72) }),
    of(1, "hide", { session: aSession, all: fc.boolean() }),
    of(1, "show", {}),
    of(1, "away", {}),
    of(1, "back", {}),
    of(1, "outage", {
      sessions: fc.array(aSession, { minLength: 1, maxLength: 3 }),
      hours: fc.constantFrom(2, 30, 50),
    }),
    of(5, "load", { pick, count: fc.integer({ min: 1, max: 4 }), crashAt, isWatched }),
    of(2, "reload", { pick, crashAt, isWatched }),
    of(1, "join", { pick, hours: fc.constantFrom(2, 24), crashAt }),
    of(1, "race", { pick }),
    of(1, "together", { pick }),
    of(1, "skew", { pick, minutes: fc.constantFrom(-5760, -60, -2, 2, 60, 5760) }),
    of(1, "truncate", { pick, keep: fc.nat(99) }),
    of(1, "rules", { exclude: fc.boolean() }),
    of(1, "layout", { layout: fc.nat(2) }),
  );

export interface StoryShape {
  /** A worker is killed at one of so many steps. */
  readonly steps: number;
  /** At most. */
  readonly events: number;
}

export function stories({ steps, events }: StoryShape): fc.Arbitrary<StoryEvent[]> {
  const aCrash = fc.option(fc.integer({ min: 0, max: steps }), { nil: undefined, freq: 2 });
  return fc.array(anEvent(aCrash), { minLength: Math.floor(events / 2), maxLength: events, size: "max" });
}
