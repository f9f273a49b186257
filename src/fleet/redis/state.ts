/**
 * What Redis knows about each export: failures, pauses, failed intervals, the last receipt. All of it may be lost at any time;
 * then nothing is paused, and failed intervals are retried.
 */
import type { ChainableCommander } from "ioredis";
import { type Interval, contains, intervalName, parseIntervalName } from "../../intervals/interval.ts";
import type { FleetError, FailedInterval, LastReceipt, FleetProcess, Pause, RecentLoad, Run } from "../fleet.ts";
import type { Keys } from "./keys.ts";
import type { RedisClient } from "./client.ts";
import {
  errorSchema,
  failedIntervalSchema,
  type LedgerSnapshot,
  ledgerSchema,
  processSchema,
  pauseSchema,
  decode,
  loadSchema,
  receiptSchema,
  runSchema,
  encode,
} from "./records.ts";

export interface ExportState {
  readonly failuresInRow: number;
  readonly paused: Pause | undefined;
  readonly lastReceipt: LastReceipt | undefined;
  readonly lastError: FleetError | undefined;
  readonly ledger: LedgerSnapshot | undefined;
  readonly ledgerError: FleetError | undefined;
  /** Sorted by start. */
  readonly failedIntervals: readonly FailedInterval[];
}

/** Of failed runs, and of all others. */
export const RUNS_KEPT = 500;
/** Of each export, as many as a small chart shows. */
const LOADS_KEPT = 24;
const ALIVE_MS = 30_000;
const FORGOTTEN_MS = 24 * 3600_000;
/** Commands of one pipeline. */
const CHUNK = 500;

/** The results of a pipeline; throws the first error among them, which ioredis only lists. */
export async function results(pipeline: ChainableCommander): Promise<unknown[]> {
  const answers = (await pipeline.exec()) ?? [];
  return answers.map(([error, result]) => {
    if (error) throw error;
    return result;
  });
}

export class FleetState {
  readonly client: RedisClient;
  readonly keys: Keys;

  constructor(client: RedisClient, keys: Keys) {
    this.client = client;
    this.keys = keys;
  }

  async read(names: readonly string[]): Promise<Map<string, ExportState>> {
    const found = new Map<string, ExportState>();
    for (let at = 0; at < names.length; at += CHUNK) {
      const chunk = names.slice(at, at + CHUNK);
      const asked = chunk.map(async (name) => {
        const keys = [this.keys.export(name), this.keys.failedIntervals(name)] as const;
        const [fields, failed] = await Promise.all(keys.map((key) => this.client.hgetall(key)));
        found.set(name, stateOf(fields ?? {}, failed ?? {}));
      });
      await Promise.all(asked);
    }
    return found;
  }

  async paused(name: string): Promise<Pause | undefined> {
    return decode(pauseSchema, await this.client.hget(this.keys.export(name), "paused"));
  }

  /** The last loads of live intervals, by interval. Apart from `read`, since schedulers have no use for them. */
  async loads(names: readonly string[]): Promise<Map<string, RecentLoad[]>> {
    const found = new Map<string, RecentLoad[]>();
    for (let at = 0; at < names.length; at += CHUNK) {
      const chunk = names.slice(at, at + CHUNK);
      const pipeline = this.client.pipeline();
      for (const name of chunk) pipeline.lrange(this.keys.loads(name), 0, LOADS_KEPT - 1);
      const answers = (await results(pipeline)) as string[][];
      for (const [index, name] of chunk.entries()) {
        const loads = (answers[index] ?? []).flatMap((text) => decode(loadSchema, text) ?? []);
        found.set(
          name,
          loads.sort((a, b) => a.interval.start.getTime() - b.interval.start.getTime()),
        );
      }
    }
    return found;
  }

  /** @returns whether this ended a pause that was waiting for a failure to pass */
  async loaded(name: string, interval: Interval, receipt: LastReceipt, isLive: boolean): Promise<boolean> {
    const key = this.keys.export(name);
    const { rows, committedAt } = receipt;
    const load = encode([interval, rows, committedAt.getTime()]);
    const [pause] = await Promise.all([
      this.client.hget(key, "paused"),
      this.client.hset(key, { failures: "0", receipt: encode(receipt) }),
      this.settled(name, interval),
      ...(isLive ? [this.client.lpush(this.keys.loads(name), load)] : []),
      ...(isLive ? [this.client.ltrim(this.keys.loads(name), 0, LOADS_KEPT - 1)] : []),
    ]);
    const known = decode(pauseSchema, pause);
    return known?.probeAt !== undefined && (await this.client.hdel(key, "paused")) === 1;
  }

  /** The ledger has this interval: forgets its failures, and those of intervals within it. */
  async settled(name: string, interval: Interval): Promise<void> {
    const key = this.keys.failedIntervals(name);
    const within = (await this.client.hkeys(key)).filter((text) => isWithin(text, interval));
    if (within.length > 0) await this.client.hdel(key, ...within);
  }

  /** @returns failures in a row, this one included */
  async failed(name: string, error: FleetError, failed: FailedInterval | undefined): Promise<number> {
    const key = this.keys.export(name);
    const pipeline = this.client.pipeline().hincrby(key, "failures", 1).hset(key, "error", encode(error));
    if (failed) pipeline.hset(this.keys.failedIntervals(name), intervalName(failed.interval), encode(failed));
    return Number((await results(pipeline))[0]);
  }

  /** @returns false if the export is already paused; that pause stays */
  async pause(name: string, pause: Pause): Promise<boolean> {
    return (await this.client.hsetnx(this.keys.export(name), "paused", encode(pause))) === 1;
  }

  /** Replaces a pause, for example by one with a later `probeAt`. Does nothing if the export isn't paused. */
  async changePause(name: string, pause: Pause): Promise<void> {
    if (await this.client.hexists(this.keys.export(name), "paused")) {
      await this.client.hset(this.keys.export(name), "paused", encode(pause));
    }
  }

  /** @returns whether it was paused */
  async resume(name: string): Promise<boolean> {
    const [gone] = await results(
      this.client
        .pipeline()
        .hdel(this.keys.export(name), "paused")
        .hdel(this.keys.export(name), "failures")
        .del(this.keys.failedIntervals(name)),
    );
    return gone === 1;
  }

  /** Makes failed intervals eligible again. @returns how many there were */
  async retryFailed(name: string): Promise<number> {
    const [count] = await results(
      this.client.pipeline().hlen(this.keys.failedIntervals(name)).del(this.keys.failedIntervals(name)),
    );
    return Number(count);
  }

  async clearFailed(name: string, intervals: readonly Interval[]): Promise<void> {
    if (intervals.length > 0) await this.client.hdel(this.keys.failedIntervals(name), ...intervals.map(intervalName));
  }

  async writeLedgers(ledgers: readonly { readonly export: string; readonly ledger: LedgerSnapshot }[]): Promise<void> {
    for (let at = 0; at < ledgers.length; at += CHUNK) {
      const pipeline = this.client.pipeline();
      for (const one of ledgers.slice(at, at + CHUNK)) {
        const key = this.keys.export(one.export);
        pipeline.hset(key, "ledger", encode(one.ledger)).hdel(key, "ledgerError");
      }
      await results(pipeline);
    }
  }

  async writeLedgerError(name: string, error: FleetError): Promise<void> {
    await this.client.hset(this.keys.export(name), "ledgerError", encode(error));
  }

  async addRun(run: Run): Promise<void> {
    const runs = this.keys.runs(run.state === "failed" ? "failed" : "other");
    await Promise.all([
      this.client.lpush(runs, encode({ ...run, place: this.keys.placeOf(run.export) })),
      this.client.ltrim(runs, 0, RUNS_KEPT - 1),
    ]);
  }

  /** Finished runs, newest first. */
  async runs(): Promise<Run[]> {
    const [failed, other] = (await results(
      this.client
        .pipeline()
        .lrange(this.keys.runs("failed"), 0, RUNS_KEPT - 1)
        .lrange(this.keys.runs("other"), 0, RUNS_KEPT - 1),
    )) as [string[], string[]];
    const ended = (run: Run): number => run.finishedAt?.getTime() ?? 0;
    return [...failed, ...other]
      .flatMap((text) => decode(runSchema, text) ?? [])
      .filter(({ export: name, place }) => place === this.keys.placeOf(name))
      .map(({ place: _, ...run }) => run)
      .sort((a, b) => ended(b) - ended(a));
  }

  /** @returns false if it is already claimed */
  async claim(what: string, ms: number): Promise<boolean> {
    return (await this.client.set(this.keys.claim(what), "", "PX", ms, "NX")) === "OK";
  }

  async claimed(what: string): Promise<boolean> {
    return (await this.client.exists(this.keys.claim(what))) === 1;
  }

  /** @returns whether it was claimed */
  async unclaim(what: string): Promise<boolean> {
    return (await this.client.del(this.keys.claim(what))) === 1;
  }

  async recordHeartbeat(one: FleetProcess): Promise<void> {
    await this.client.hset(this.keys.processes, one.name, encode(one));
  }

  async removeHeartbeat(name: string): Promise<void> {
    await this.client.hdel(this.keys.processes, name);
  }

  async processes(now: Date): Promise<FleetProcess[]> {
    const all = await this.client.hgetall(this.keys.processes);
    const processes = Object.values(all).flatMap((text) => decode(processSchema, text) ?? []);
    const age = ({ seenAt }: FleetProcess): number => now.getTime() - seenAt.getTime();
    const gone = processes.filter((one) => age(one) > FORGOTTEN_MS).map(({ name }) => name);
    if (gone.length > 0) await this.client.hdel(this.keys.processes, ...gone);
    return processes.filter((one) => age(one) <= ALIVE_MS);
  }
}

function isWithin(text: string, interval: Interval): boolean {
  const named = parseIntervalName(text);
  return named !== undefined && contains(interval, named);
}

function stateOf(fields: Record<string, string>, failedIntervals: Record<string, string>): ExportState {
  return {
    failuresInRow: Number(fields["failures"] ?? 0),
    paused: decode(pauseSchema, fields["paused"]),
    lastReceipt: decode(receiptSchema, fields["receipt"]),
    lastError: decode(errorSchema, fields["error"]),
    ledger: decode(ledgerSchema, fields["ledger"]),
    ledgerError: decode(errorSchema, fields["ledgerError"]),
    failedIntervals: Object.values(failedIntervals)
      .flatMap((text) => decode(failedIntervalSchema, text) ?? [])
      .sort((a, b) => a.interval.start.getTime() - b.interval.start.getTime()),
  };
}
