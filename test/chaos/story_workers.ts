/** The workers of a story: they load what is due, and are killed, delayed and lied to on the way. */
import assert from "node:assert/strict";
import type { Destination } from "../../destinations/destination.ts";
import { auditExport } from "../../src/audit/audit.ts";
import { type Audit, lackingOf, readAudit } from "../../src/audit/receipt.ts";
import { ReplayportError } from "../../src/errors.ts";
import type { ExportDefinition } from "../../src/export/definition.ts";
import { dueIntervals, readCoverage } from "../../src/export/ledger.ts";
import { loadBatch } from "../../src/export/load_batch.ts";
import { contains, type Interval, interval } from "../../src/intervals/interval.ts";
import type { ChaosTarget } from "../support/chaos_target.ts";
import { type Disturbed, disturbed, Interleaving, sleeper, survives } from "./disturbance.ts";
import type { Disturbance, StoryEvent } from "./story.ts";
import type { StoryReader } from "./story_reader.ts";
import type { StorySource } from "./story_source.ts";

const AUDITED_DAYS = 90;

/** How an attempt differs from a healthy one. */
interface Trouble {
  readonly disturbed?: Disturbed | undefined;
  readonly isWatched?: boolean;
  /** By which the worker's clock is ahead. */
  readonly aheadMs?: number;
  /** Percent of each answer that arrive. */
  readonly keep?: number;
  readonly installation?: string;
}

export interface WorkersOptions {
  /** The story's clock. */
  readonly time: { now: number };
  readonly source: StorySource;
  readonly reader: StoryReader;
  readonly target: ChaosTarget;
  readonly keepReplacedMs: number;
  readonly stage: string;
  /** Called for each thing that has really happened. */
  readonly count: (what: string) => void;
}

export class StoryWorkers {
  definition: ExportDefinition;
  #attempts = 0;
  #audited = false;
  readonly #options: WorkersOptions;

  constructor(definition: ExportDefinition, options: WorkersOptions) {
    this.definition = definition;
    this.#options = options;
  }

  async loadDue(): Promise<void> {
    for (let round = 0; round < 100; round += 1) {
      const due = await this.due();
      if (due.length === 0) return;
      for (const one of due) await this.load(one, {});
    }
    assert.fail("what is due does not end");
  }

  open({ disturbed: trouble, isWatched = false, aheadMs = 0, installation = "here" }: Trouble = {}): Destination {
    return this.#options.target.open(() => new Date(this.#options.time.now + aheadMs), {
      path: this.definition.path,
      crash: trouble?.crash,
      around: trouble?.step,
      onChange: isWatched ? async () => await this.#options.reader.glance() : undefined,
      keepReplacedMs: this.#options.keepReplacedMs,
      installation,
    });
  }

  async covered(): Promise<Interval[]> {
    return (await readCoverage(this.open(), deadline())).map((one) => one.interval);
  }

  async due(aheadMs = 0): Promise<Interval[]> {
    const destination = this.open();
    const covered = await readCoverage(destination, deadline());
    const lacking = this.#audited ? lackingOf(await readAudit(destination, deadline())) : [];
    return dueIntervals(this.definition, covered, new Date(this.#options.time.now + aheadMs), { limit: 40, lacking });
  }

  /** @returns undefined if nothing is loaded yet */
  async audit(): Promise<Audit | undefined> {
    const dependencies = {
      source: await this.#options.source.open(),
      destination: this.open(),
      now: () => new Date(this.#options.time.now),
    };
    this.#audited = true;
    return await auditExport(this.definition, AUDITED_DAYS, dependencies, deadline());
  }

  /** @returns how it ended */
  async load(
    one: Interval,
    event: { readonly disturbed?: Disturbance | undefined; readonly isWatched?: boolean },
  ): Promise<string> {
    const { disturbed: how, isWatched = false } = event;
    const trouble = how && disturbed(how.fate, how.step, how.writes);
    let end = "";
    try {
      await this.attempt(this.open({ disturbed: trouble, isWatched }), one);
      end = trouble?.at === undefined ? "undisturbed" : "loaded all the same";
    } catch (error) {
      if (trouble?.at === undefined || (how && survives(how.fate, trouble.at))) throw error;
      end = "failed";
    }
    await this.#options.reader.look();
    if (trouble?.at !== undefined && how) this.#options.count(`${how.fate}: ${trouble.at.split(" ")[0]}`);
    return isWatched ? `watched, ${end}` : end;
  }

  async race({ pick, hours, step, minutes }: StoryEvent & { kind: "race" }): Promise<string | false> {
    const one = nth(await this.due(), pick);
    if (!one) return false;
    const first = sleeper(step);
    const isLake = this.#options.target.files !== undefined;
    const racing = settled(this.attempt(this.open({ disturbed: isLake ? first : undefined }), one));
    if (isLake) await Promise.race([first.asleep, racing]);
    const sleeps = first.at !== undefined;
    if (sleeps) {
      // Before time passes, so that the reader knows since when a file is superfluous that the other attempt then removes.
      await this.#options.reader.look();
      this.#options.time.now += minutes * 60_000;
    }
    const longer = hours === 0 ? one : this.#windowOf(one, hours * 3_600_000);
    const other = await settled(this.attempt(this.open(), longer));
    first.wake();
    const ended = await racing;
    await this.#options.reader.look();
    assert.ok(ended === "loaded" || other === "loaded", `none of two attempts won: ${ended}, ${other}`);
    const won = ended === "loaded" && other === "loaded";
    assert.ok(!won || !sleeps || first.committed || longer !== one, "two attempts at one generation have won");
    return `${longer === one ? "" : "with a longer one, "}${sleeps ? `asleep at ${first.at?.split(" ")[0]}, ` : ""}${ended}`;
  }

  /** Both read what is there before either changes anything, so exactly one of them can win. */
  async interleave(pick: number, turns: readonly boolean[]): Promise<string | false> {
    const one = nth(await this.due(), pick);
    if (!one) return false;
    const both = new Interleaving(turns);
    const ends = [true, false].map(async (name) => {
      const end = await settled(this.attempt(this.open({ disturbed: both.worker(name) }), one));
      both.end(name);
      return end;
    });
    const codes = (await Promise.all(ends)).sort();
    await this.#options.reader.look();
    assert.equal(codes.filter((code) => code === "loaded").length, 1, `two attempts ended with ${codes.join(" and ")}`);
    return codes.find((code) => code !== "loaded") ?? "";
  }

  /** The window of that length that has the interval, if it's over; else the interval. */
  #windowOf(one: Interval, length: number): Interval {
    const start =
      this.definition.start.getTime() +
      Math.floor((one.start.getTime() - this.definition.start.getTime()) / length) * length;
    const window = interval(start, start + length);
    return contains(window, one) && window.end.getTime() + this.definition.settleMs <= this.#options.time.now
      ? window
      : one;
  }

  async skew(pick: number, aheadMs: number): Promise<string | false> {
    const one = nth(await this.due(aheadMs), pick);
    if (!one) return false;
    const code = await settled(this.attempt(this.open({ aheadMs }), one, { aheadMs }));
    const expected =
      Math.abs(aheadMs) > this.definition.settleMs / 2
        ? ["source.clock"]
        : ["loaded", "load.not_over", "load.older_read"];
    assert.ok(expected.includes(code), `a load with a clock that is ${aheadMs} ms ahead ended with ${code}`);
    await this.#options.reader.look();
    return code;
  }

  async truncate(pick: number, keep: number): Promise<string | false> {
    const one = nth(await this.due(), pick);
    if (!one) return false;
    const before = await readCoverage(this.open(), deadline());
    const receipt = await this.attempt(this.open(), one, { keep }).catch(() => undefined);
    // A batch without rows has no answer to cut.
    if (receipt) assert.equal(receipt.rows, 0, "a batch was loaded from an answer that broke off");
    else assert.deepEqual(await readCoverage(this.open(), deadline()), before);
    await this.#options.reader.look();
    return receipt ? "no answer to cut" : "refused";
  }

  async foreign(pick: number): Promise<boolean> {
    const one = nth(await this.covered(), pick);
    if (!one) return false;
    const before = await this.#options.target.rows();
    const code = await settled(this.attempt(this.open({ installation: "elsewhere" }), one, {}, []));
    assert.equal(code, "lake.foreign_owner", "another installation has loaded into this one's lake");
    assert.deepEqual(await this.#options.target.rows(), before);
    return true;
  }

  /** Loads one interval. */
  async attempt(
    destination: Destination,
    one: Interval,
    { aheadMs = 0, keep }: Trouble = {},
    known?: Awaited<ReturnType<typeof readCoverage>>,
  ) {
    const signal = deadline();
    const covered = known ?? (await readCoverage(destination, signal));
    this.#attempts += 1;
    const attempt = this.#attempts.toString(36).padStart(12, "0");
    const dependencies = {
      source: await this.#options.source.open(keep),
      destination,
      stageRoot: this.#options.stage,
      now: () => new Date(this.#options.time.now + aheadMs),
      newAttempt: () => attempt,
      onProgress: () => undefined,
    };
    return await loadBatch(this.definition, one, { covered }, dependencies, signal);
  }
}

export const deadline = (): AbortSignal => AbortSignal.timeout(60_000);

export function nth<T>(all: readonly T[], pick: number): T | undefined {
  return all[pick % Math.max(1, all.length)];
}

/** `loaded`, or the error's code. */
async function settled(attempt: Promise<unknown>): Promise<string> {
  try {
    await attempt;
    return "loaded";
  } catch (error) {
    if (error instanceof ReplayportError) return error.code;
    throw error;
  }
}
