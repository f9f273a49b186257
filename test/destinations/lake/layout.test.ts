import assert from "node:assert/strict";
import { suite, test } from "node:test";
import fc from "fast-check";
import { DEFAULT_PATH, pathGranularity, renderPath } from "../../../destinations/lake/index.ts";
import {
  claimKey,
  dataFileInterval,
  dataKey,
  isOfAttempt,
  manifestKey,
  manifestsWithinPrefix,
  parseManifestKey,
} from "../../../destinations/lake/layout.ts";
import { decodeManifest } from "../../../destinations/lake/manifest.ts";
import { globPath } from "../../../destinations/lake/path_template.ts";
import {
  DEFAULT_PART_BYTES,
  MAX_PARTS,
  MIN_PART_BYTES,
  partBytesFor,
} from "../../../destinations/store/s3_part_size.ts";
import { ledgerOf, type Entry } from "../../../destinations/lake/supersession.ts";
import { ReplayportError } from "../../../src/errors.ts";
import { contains, interval, intervalName, sameInterval, type Interval } from "../../../src/intervals/interval.ts";

const HOUR = 3_600_000;
const BASE = Date.UTC(2026, 9, 1);
const GIB = 1024 ** 3;

const intervals = fc
  .tuple(fc.integer({ min: 0, max: 40 }), fc.integer({ min: 1, max: 12 }))
  .map(([start, length]) => interval(BASE + start * HOUR, BASE + (start + length) * HOUR));

suite("lake: path template", () => {
  test("a lake's default path is the export and the day of the interval's start, in UTC", () => {
    const late = interval("2026-01-02T23:59:59Z", "2026-01-03T00:59:59Z");
    assert.equal(renderPath(DEFAULT_PATH, "replays", late), "replays/dt=2026-01-02");
    assert.equal(renderPath("x/{export}/{year}/{month}/{day}/{hour}", "replays", late), "x/replays/2026/01/02/23");
    assert.equal(globPath(DEFAULT_PATH, "replays"), "replays/dt=*-*-*");
  });

  test("a path template's granularity is that of its smallest placeholder", () => {
    assert.equal(pathGranularity("{export}/{year}/{month}/{day}/{hour}"), "hour");
    assert.equal(pathGranularity(DEFAULT_PATH), "day");
    assert.equal(pathGranularity("{export}/{year}-{month}"), "month");
    assert.equal(pathGranularity("{year}/{export}"), "year");
    assert.equal(pathGranularity("{export}"), "none");
  });

  for (const template of [
    "dt={year}",
    "{export}/{minute}",
    "{export}/{}",
    "{export}/{year",
    "{export}/year}",
    "/{export}",
    "{export}/",
    "{export}//x",
    "../{export}",
    "{export}/../x",
    "{export}/.hidden",
    "_replayport/{export}",
    "{export}\\x",
    "{export}/\n",
    "{export}%2Fx",
    "{export}/%252e%252E",
    "",
  ]) {
    test(`refused: ${JSON.stringify(template)}`, () => {
      assert.throws(
        () => renderPath(template, "replays", interval(BASE, BASE + HOUR)),
        (error) => error instanceof ReplayportError && error.remedy === "give-up" && error.hint !== undefined,
      );
    });
  }

  test("intervals share a folder only if they start in the same unit of time", () => {
    const units = { hour: 13, day: 10, month: 7, year: 4, none: 0 } as const;
    const templates = fc.constantFrom(
      DEFAULT_PATH,
      "{export}/{year}/{month}/{day}/{hour}",
      "{export}/m={year}{month}",
      "{year}/{export}",
      "{export}",
    );
    const times = fc.date({ min: new Date(BASE - 800 * 24 * HOUR), max: new Date(BASE), noInvalidDate: true });
    fc.assert(
      fc.property(templates, times, times, (template, one, other) => {
        const [a, b] = [one, other].map((time) => Math.floor(time.getTime() / 1000) * 1000);
        assert.ok(a !== undefined && b !== undefined);
        const digits = units[pathGranularity(template)];
        const same = new Date(a).toISOString().slice(0, digits) === new Date(b).toISOString().slice(0, digits);
        const paths = [a, b].map((start) => renderPath(template, "x", interval(start, start + 1000)));
        assert.equal(paths[0] === paths[1], same);
      }),
    );
  });
});

suite("lake: keys", () => {
  test("a manifest's key can be parsed back into interval, generation and time of the read", () => {
    fc.assert(
      fc.property(intervals, intervals, fc.nat(999_999), fc.option(fc.nat()), (one, other, generation, second) => {
        const watermark = second === null ? undefined : new Date(second * 1000);
        const read = { interval: one, readAt: new Date(BASE + generation), watermark };
        const key = manifestKey("replays", generation, read);
        assert.deepEqual(parseManifestKey("replays", key), { key, kind: "manifest", generation, ...read });
        const claim = claimKey("replays", one, generation);
        const unread = { generation, ...read, readAt: undefined, watermark: undefined };
        assert.deepEqual(parseManifestKey("replays", claim), { key: claim, kind: "claim", ...unread });
        const old = claim.replace(".claim", ".json");
        assert.deepEqual(parseManifestKey("replays", old), { key: old, kind: "manifest", ...unread }, "0.1.0's");
        assert.equal(parseManifestKey("replay", key), undefined);
        if (contains(other, one)) assert.ok(key.startsWith(manifestsWithinPrefix("replays", other)));
      }),
    );
  });

  test("the manifests within an hour, a day or a month are listed by a prefix of that length", () => {
    const prefix = (start: string, end: string): string => manifestsWithinPrefix("replays", interval(start, end));
    assert.equal(prefix("2026-10-01T05:00:00Z", "2026-10-01T06:00:00Z"), "_replayport/replays/20261001T05");
    assert.equal(prefix("2026-10-01T00:00:00Z", "2026-10-02T00:00:00Z"), "_replayport/replays/20261001T");
    assert.equal(prefix("2026-10-01T00:00:00Z", "2026-11-01T00:00:00Z"), "_replayport/replays/202610");
    assert.equal(prefix("2026-12-31T23:00:00Z", "2027-01-01T01:00:00Z"), "_replayport/replays/202");
  });

  test("only keys in the form of a manifest's count as manifests", () => {
    for (const name of [
      "20261001T000000Z_20261001T010000Z.json",
      "20261001T000000Z_20261001T010000Z.0.json",
      "20261001T000000Z_20261001T000000Z.000000.json",
      ".20261001T000000Z_20261001T010000Z.000000.json.0123456789ab.tmp",
      "x/20261001T000000Z_20261001T010000Z.000000.json",
      "README.000000.json",
    ]) {
      assert.equal(parseManifestKey("replays", `_replayport/replays/${name}`), undefined, name);
    }
  });

  test("a key outside of the export's own folders is no data file", () => {
    const name = "20261001T000000Z_20261001T010000Z.abcdefabcdef.0.parquet";
    const of = interval(BASE, BASE + HOUR);
    for (const key of [`replays/dt=2026-10-01/${name}`, `x/my-replays/${name}`]) {
      assert.deepEqual(dataFileInterval("replays", key), of, key);
    }
    for (const key of [
      `../replays/${name}`,
      `replays/../${name}`,
      `/replays/${name}`,
      `replays//${name}`,
      `other/${name}`,
      `_replayport/replays/${name}`,
      `replays\\..\\${name}`,
      "../precious.txt",
      "replays/precious.txt",
      name,
    ]) {
      assert.equal(dataFileInterval("replays", key), undefined, key);
    }
  });

  test("an attempt's files are never taken for another attempt's", () => {
    const of = interval(BASE, BASE + HOUR);
    const key = dataKey("replays/dt=2026-10-01", of, "abcdefabcdef", 3, ".csv.gz");
    assert.equal(key, "replays/dt=2026-10-01/20261001T000000Z_20261001T010000Z.abcdefabcdef.3.csv.gz");
    assert.ok(isOfAttempt(key, "replays/dt=2026-10-01", of, "abcdefabcdef"));
    assert.ok(!isOfAttempt(key, "replays/dt=2026-10-01", of, "abcdef"));
  });
});

suite("lake: which manifests count", () => {
  const entries = fc.array(
    fc.tuple(intervals, fc.nat(3), fc.nat(5)).map(([of, generation, hour]): Entry => ({
      key: manifestKey("replays", generation, { interval: of, readAt: new Date(BASE) }),
      kind: "manifest",
      readAt: new Date(BASE + hour * HOUR),
      watermark: undefined,
      interval: of,
      generation,
      committedAt: new Date(BASE + hour * HOUR),
    })),
    { maxLength: 25 },
  );

  /** The two rules, said in the simplest way there is. */
  function counts(entry: Entry, all: readonly Entry[]): boolean {
    const highest = (of: Entry): boolean =>
      !all.some((other) => sameInterval(other.interval, of.interval) && other.generation > of.generation);
    const covers = (other: Entry): boolean =>
      highest(other) &&
      !sameInterval(other.interval, entry.interval) &&
      contains(other.interval, entry.interval) &&
      other.committedAt >= entry.committedAt;
    return highest(entry) && !all.some(covers);
  }

  test("which manifests count follows from the two rules, for any listing", () => {
    fc.assert(
      fc.property(entries, (drawn) => {
        const all = [...new Map(drawn.map((entry) => [entry.key, entry])).values()];
        const ledger = ledgerOf(all);
        const expected = all.filter((entry) => counts(entry, all)).map(({ key }) => key);
        assert.deepEqual(ledger.current.map(({ key }) => key).sort(), expected.sort());
        assert.equal(ledger.current.length + ledger.superseded.length, all.length);
        for (const { entry, by } of ledger.superseded) assert.ok(contains(by.interval, entry.interval));
        const starts = ledger.current.map(({ interval: of }) => of.start.getTime());
        assert.deepEqual(
          starts,
          [...starts].sort((a, b) => a - b),
        );
      }),
      { numRuns: 500 },
    );
  });

  test("a batch that was loaded again after the one that covers it counts beside it", () => {
    const at = (of: Interval, hour: number): Entry => ({
      key: intervalName(of),
      kind: "manifest",
      readAt: undefined,
      watermark: undefined,
      interval: of,
      generation: 0,
      committedAt: new Date(BASE + hour * HOUR),
    });
    const day = at(interval(BASE, BASE + 24 * HOUR), 30);
    const before = at(interval(BASE + HOUR, BASE + 2 * HOUR), 29);
    const after = at(interval(BASE + 2 * HOUR, BASE + 3 * HOUR), 31);
    assert.deepEqual(ledgerOf([day, before, after]).current, [day, after]);
  });

  test("what was replaced was replaced by the generation that counts, in any order of the listing", () => {
    const all = [0, 1, 2].map((generation): Entry => {
      const name = { key: String(generation), kind: "manifest", interval: interval(BASE, BASE + HOUR) } as const;
      return { ...name, generation, readAt: undefined, watermark: undefined, committedAt: new Date(BASE) };
    });
    for (const listed of [all, all.toReversed()]) {
      const replaced = ledgerOf(listed).superseded.map(({ entry, by }) => `${entry.key} by ${by.key}`);
      assert.deepEqual(replaced.sort(), ["0 by 2", "1 by 2"]);
    }
  });

  test("finding the manifests that count in a year of hours takes no time", () => {
    const year = Array.from({ length: 8760 }, (_, hour): Entry => {
      const of = interval(BASE + hour * HOUR, BASE + (hour + 1) * HOUR);
      const name = { key: intervalName(of), kind: "manifest", interval: of, generation: 0 } as const;
      return { ...name, readAt: undefined, watermark: undefined, committedAt: new Date(BASE) };
    });
    assert.equal(ledgerOf(year).current.length, 8760);
  });
});

suite("lake: part size", () => {
  test("the part size grows only when a file would need more than 10,000 parts, up to 5 TiB", () => {
    assert.equal(partBytesFor(0), DEFAULT_PART_BYTES);
    assert.equal(partBytesFor(48.8 * GIB), DEFAULT_PART_BYTES);
    assert.equal(partBytesFor(MAX_PARTS * DEFAULT_PART_BYTES), DEFAULT_PART_BYTES);
    assert.ok(partBytesFor(MAX_PARTS * DEFAULT_PART_BYTES + 1) > DEFAULT_PART_BYTES);
    const largest = partBytesFor(5 * 1024 * GIB);
    assert.ok(Math.ceil((5 * 1024 * GIB) / largest) <= MAX_PARTS);
    assert.ok(largest < 600 * 1024 ** 2, "a part has to fit into memory");
  });

  test("an upload never has more parts than S3 takes, and none that is too small", () => {
    fc.assert(
      fc.property(fc.maxSafeNat(), (drawn) => {
        const bytes = drawn % (5 * 1024 * GIB + 1);
        const part = partBytesFor(bytes);
        assert.ok(part >= MIN_PART_BYTES && part <= 5 * GIB && Math.ceil(bytes / part) <= MAX_PARTS);
      }),
    );
  });
});

suite("lake: manifest", () => {
  for (const text of ["", "{", "null", "[]", '{"layout":3}', '{"layout":1,"rows":-1}']) {
    test(`broken: ${JSON.stringify(text)}`, () => {
      assert.throws(
        () => decodeManifest(text, "s3://bucket/key.json"),
        (error) =>
          error instanceof ReplayportError &&
          error.code === "lake.broken_manifest" &&
          error.message.includes("s3://bucket/key.json") &&
          error.hint !== undefined,
      );
    });
  }
});
