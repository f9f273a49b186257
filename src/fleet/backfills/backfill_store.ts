/** Backfills in Redis. */
import * as z from "zod";
import { ReplayportError, giveUp } from "../../errors.ts";
import {
  type Interval,
  describeInterval,
  intervalName,
  overlaps,
  parseIntervalName,
} from "../../intervals/interval.ts";
import { CANCEL, CLOSE, CREATE, FINISH, REOPEN, RETRY, TAKE } from "./scripts.ts";
import type { Backfill, BackfillState, FleetError } from "../fleet.ts";
import type { Keys } from "../redis/keys.ts";
import type { RedisClient } from "../redis/client.ts";
import { results } from "../redis/state.ts";
import { errorSchema, intervalText, decode, encode } from "../redis/records.ts";

const recordSchema = z.object({
  id: z.string(),
  export: z.string(),
  range: intervalText,
  force: z.boolean(),
  createdBy: z.string(),
  createdAt: z.iso.datetime().transform((text) => new Date(text)),
  inFlight: z.number(),
  size: z.enum(["auto", "schedule", "hour", "day", "week", "month"]).optional(),
  /** Of its export (`ExportIdentity`). */
  place: z.string(),
});
export type BackfillRecord = z.output<typeof recordSchema>;

const FAILURES_SHOWN = 20;
const LISTED = 200;

const seconds = (time: Date): string => String(time.getTime() / 1000);
const millis = (time: Date): string => String(time.getTime());

export type Finish =
  | { readonly kind: "done"; readonly rows: number; readonly bytes: number }
  | { readonly kind: "failed"; readonly error: FleetError }
  /** Put back, to be queued again later. */
  | { readonly kind: "open" };

/** A running backfill of which nothing is open or running. */
export interface IdleBackfill {
  readonly failed: readonly Interval[];
  /** Whether Redis has lost some of its intervals, so that nobody knows whether they were loaded. */
  readonly lost: boolean;
  /** How often intervals were opened again for lack of a receipt. */
  readonly reopened: number;
}

/** While it runs, a backfill reserves its range: no other backfill may overlap it, and the scheduler enqueues nothing in it. */
export interface Reservation {
  readonly id: string;
  readonly range: Interval;
}

export class BackfillStore {
  readonly #client: RedisClient;
  readonly #keys: Keys;

  constructor(client: RedisClient, keys: Keys) {
    this.#client = client;
    this.#keys = keys;
  }

  /** @throws ReplayportError `backfill.overlap` */
  async create(backfill: Omit<BackfillRecord, "place">, intervals: readonly Interval[]): Promise<void> {
    const record: BackfillRecord = { ...backfill, place: this.#keys.placeOf(backfill.export) };
    const { id, range } = record;
    const keys = [
      this.#keys.backfill(id),
      this.#keys.open(id),
      this.#keys.backfilling(record.export),
      this.#keys.backfills,
    ];
    const named = intervals.flatMap((one) => [intervalName(one), seconds(one.start)]);
    const values = [id, seconds(range.start), seconds(range.end), millis(record.createdAt), encode(record), ...named];
    this.#refuse(record.export, range, await this.#client.eval(CREATE, keys.length, ...keys, ...values));
  }

  /**
   * Reopens failed intervals.
   * @param which selects by error; undefined: all of them
   * @throws ReplayportError `backfill.overlap` if another backfill has taken the range since
   */
  async retry(record: BackfillRecord, which?: (error: FleetError) => boolean): Promise<void> {
    const failed = Object.entries(await this.#client.hgetall(this.#keys.failed(record.id)));
    const named = failed.flatMap(([name, text]) => {
      const interval = parseIntervalName(name);
      const error = decode(errorSchema, text);
      const chosen = which === undefined || (error !== undefined && which(error));
      return interval && chosen ? [name, seconds(interval.start)] : [];
    });
    if (which !== undefined && named.length === 0) return;
    const keys = this.#five(record.id, record.export);
    const values = [record.id, seconds(record.range.start), seconds(record.range.end), ...named];
    this.#refuse(record.export, record.range, await this.#client.eval(RETRY, keys.length, ...keys, ...values));
  }

  #refuse(exportName: string, range: Interval, other: unknown): void {
    if (typeof other !== "string" || other === "") return;
    const hint = `Wait for it (replayport backfills ${other}), or end it with: replayport cancel ${other}`;
    const message = `${exportName}: backfill ${other} already loads a part of ${describeInterval(range)}`;
    throw new ReplayportError(message, giveUp("backfill.overlap", hint));
  }

  /** @throws ReplayportError `backfill.unknown` */
  async record(id: string): Promise<BackfillRecord & { readonly state: BackfillState }> {
    const [text, state] = await this.#client.hmget(this.#keys.backfill(id), "record", "state");
    const record = this.#own(text);
    if (!record) throw unknown(id);
    return { ...record, state: stateOf(state) };
  }

  /** Undefined if it was forgotten. */
  async state(id: string): Promise<BackfillState | undefined> {
    const state = await this.#client.hget(this.#keys.backfill(id), "state");
    return state === null ? undefined : stateOf(state);
  }

  /** Intervals that were taken before this time. */
  async running(id: string, before: Date): Promise<Interval[]> {
    return intervalsOf(await this.#client.zrangebyscore(this.#keys.running(id), "-inf", `(${millis(before)}`));
  }

  /** Moves the oldest intervals from open to running, until `mayRun` are running. @returns those it moved */
  async take({ id, export: name, range, createdAt }: BackfillRecord, mayRun: number, now: Date): Promise<Interval[]> {
    const { backfill, open, running, backfilling, backfills } = this.#keys;
    const keys = [backfill(id), open(id), running(id), backfilling(name), backfills];
    const reserved = `${seconds(range.start)}_${seconds(range.end)}`;
    const values = [millis(now), String(mayRun), id, reserved, millis(createdAt)];
    return intervalsOf((await this.#client.eval(TAKE, keys.length, ...keys, ...values)) as string[]);
  }

  /** Undefined if something of it is open or running. */
  async idle(id: string): Promise<IdleBackfill | undefined> {
    const [counters, open, running, failed] = (await results(
      this.#client
        .pipeline()
        .hmget(this.#keys.backfill(id), "total", "done", "reopened")
        .zcard(this.#keys.open(id))
        .zcard(this.#keys.running(id))
        .hkeys(this.#keys.failed(id)),
    )) as [(string | null)[], number, number, string[]];
    if (open + running > 0) return undefined;
    const [total = 0, done = 0, reopened = 0] = counters.map(Number);
    return { failed: intervalsOf(failed), lost: done + failed.length < total, reopened };
  }

  async close({ id, export: name }: BackfillRecord, now: Date): Promise<void> {
    const keys = this.#five(id, name);
    await this.#client.eval(CLOSE, keys.length, ...keys, id, millis(now));
  }

  /** Opens intervals that lack a receipt. */
  async reopen({ id, export: name }: BackfillRecord, lacking: readonly Interval[]): Promise<void> {
    const keys = this.#five(id, name);
    const named = lacking.flatMap((one) => [intervalName(one), seconds(one.start)]);
    await this.#client.eval(REOPEN, keys.length, ...keys, ...named);
  }

  /** Ends the reservation of a backfill whose record Redis has lost. */
  async forget(id: string, exportName: string): Promise<void> {
    const { open, running, failed, backfilling, backfills } = this.#keys;
    await results(
      this.#client
        .pipeline()
        .hdel(backfilling(exportName), id)
        .zrem(backfills, id)
        .del(open(id), running(id), failed(id)),
    );
  }

  async finish(id: string, exportName: string, interval: Interval, how: Finish, now: Date): Promise<void> {
    const { rows, bytes } = how.kind === "done" ? how : { rows: 0, bytes: 0 };
    const error = how.kind === "failed" ? encode(how.error) : "";
    const keys = this.#five(id, exportName);
    const what = [id, intervalName(interval), how.kind, millis(now), String(rows), String(bytes), error];
    await this.#client.eval(FINISH, keys.length, ...keys, ...what, seconds(interval.start));
  }

  async cancel(id: string, exportName: string, now: Date): Promise<boolean> {
    const keys = this.#five(id, exportName);
    return (await this.#client.eval(CANCEL, keys.length, ...keys, id, millis(now))) === 1;
  }

  /** The running backfills of each export, with the range that each reserves. */
  async ranges(exportNames: readonly string[]): Promise<Map<string, Reservation[]>> {
    const answers = await Promise.all(exportNames.map((name) => this.#client.hgetall(this.#keys.backfilling(name))));
    return new Map(
      exportNames.map((name, index) => [
        name,
        Object.entries(answers[index] ?? {}).map(([id, text]) => {
          const [start = 0, end = 0] = text.split("_").map(Number);
          return { id, range: { start: new Date(start * 1000), end: new Date(end * 1000) } };
        }),
      ]),
    );
  }

  /** @throws ReplayportError `backfill.unknown` */
  async get(id: string, now: Date): Promise<Backfill> {
    const [fields, open, running, failed] = (await results(
      this.#client
        .pipeline()
        .hgetall(this.#keys.backfill(id))
        .zcard(this.#keys.open(id))
        .zcard(this.#keys.running(id))
        .hgetall(this.#keys.failed(id)),
    )) as [Record<string, string>, number, number, Record<string, string>];
    const record = this.#own(fields["record"]);
    if (!record) throw unknown(id);
    const { inFlight: _inFlight, size: _size, place: _place, ...shown } = record;
    const count = (name: string): number => Number(fields[name] ?? 0);
    const done = count("done");
    const state = stateOf(fields["state"]);
    const elapsed = (now.getTime() - record.createdAt.getTime()) / 1000;
    return {
      ...shown,
      state,
      finishedAt: fields["finishedAt"] === undefined ? undefined : new Date(count("finishedAt")),
      total: count("total"),
      open,
      running,
      done,
      failed: Object.keys(failed).length,
      cancelled: count("cancelled"),
      rows: count("rows"),
      bytes: count("bytes"),
      etaSeconds: state === "running" && done > 0 ? Math.ceil((elapsed / done) * (open + running)) : undefined,
      failures: failuresOf(failed),
    };
  }

  /** Newest first. Removes those whose records have expired, and leaves out those of another installation. */
  async list(now: Date): Promise<Backfill[]> {
    const ids = await this.#client.zrevrange(this.#keys.backfills, 0, LISTED - 1);
    const found = await Promise.all(
      ids.map(async (id) => {
        try {
          return await this.get(id, now);
        } catch (error) {
          if (!(error instanceof ReplayportError && error.code === "backfill.unknown")) throw error;
          if ((await this.#client.exists(this.#keys.backfill(id))) === 0) {
            await this.#client.zrem(this.#keys.backfills, id);
          }
          return undefined;
        }
      }),
    );
    return found.filter((one) => one !== undefined);
  }

  /** Undefined for one of another place: its receipts aren't ours. */
  #own(text: string | null | undefined): BackfillRecord | undefined {
    const record = decode(recordSchema, text);
    return record?.place === this.#keys.placeOf(record?.export ?? "") ? record : undefined;
  }

  #five(id: string, exportName: string): string[] {
    const { backfill, open, running, failed, backfilling } = this.#keys;
    return [backfill(id), open(id), running(id), failed(id), backfilling(exportName)];
  }
}

function stateOf(text: string | null | undefined): BackfillState {
  return text === "done" || text === "failed" || text === "cancelled" ? text : "running";
}

function intervalsOf(names: readonly string[]): Interval[] {
  return names.flatMap((name) => parseIntervalName(name) ?? []);
}

function failuresOf(failed: Record<string, string>): Backfill["failures"] {
  return Object.entries(failed)
    .flatMap(([name, text]) => {
      const interval = parseIntervalName(name);
      const error = decode(errorSchema, text);
      return interval && error ? [{ interval, error }] : [];
    })
    .sort((a, b) => a.interval.start.getTime() - b.interval.start.getTime())
    .slice(0, FAILURES_SHOWN);
}

function unknown(id: string): ReplayportError {
  const hint =
    "To list them: replayport backfills. They are kept for 30 days after their end, unless Redis loses its data.";
  return new ReplayportError(`there is no backfill ${id}`, giveUp("backfill.unknown", hint));
}

/** From the first interval's start to the last one's end. */
export function hull(intervals: readonly Interval[]): Interval | undefined {
  const [first] = intervals;
  if (!first) return undefined;
  const end = intervals.reduce((latest, one) => (one.end > latest ? one.end : latest), first.end);
  return { start: first.start, end };
}

export function overlapsAny(interval: Interval, others: readonly Interval[]): boolean {
  return others.some((one) => overlaps(one, interval));
}
