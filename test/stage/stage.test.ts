import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { chmod, chown, link, lstat, mkdir, mkdtemp, readFile, readdir, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
import { after, before, suite, test } from "node:test";
import { brotliCompressSync, gzipSync, zstdCompressSync } from "node:zlib";
import fc from "fast-check";
import { openProbe } from "../../destinations/warehouse/probe.ts";
import { ReplayportError } from "../../src/errors.ts";
import { type Incoming, openStage } from "../../src/stage/stage.ts";

const signal = AbortSignal.timeout(60_000);
const LINES = '{"a":1}\n{"a":2}\n{"a":3}\n';
const incoming = (bytes: Buffer | string, over: Partial<Incoming> = {}): Incoming => ({
  stream: Readable.from([Buffer.from(bytes)]),
  format: "jsonl",
  columns: ["a"],
  extension: ".jsonl",
  index: 0,
  ...over,
});
const fails = (code: string, message: RegExp) => (error: unknown) =>
  error instanceof ReplayportError && error.code === code && error.remedy === "retry" && message.test(error.message);

suite("staging", () => {
  let root: string;
  before(async () => {
    root = await mkdtemp(join(tmpdir(), "replayport-test-"));
  });
  after(async () => await rm(root, { recursive: true, force: true }));

  test("a staged file is counted, hashed and complete, and removed with the stage", async () => {
    const bytes = gzipSync(LINES);
    {
      await using stage = await openStage(root, "a1");
      const file = await stage.add(incoming(bytes, { extension: ".jsonl.gz" }), signal);
      assert.deepEqual(await readFile(file.path), bytes);
      assert.equal(file.rows, 3);
      assert.equal(file.bytes, bytes.length);
      assert.equal(file.sha256, createHash("sha256").update(bytes).digest("hex"));
    }
    assert.deepEqual(await readdir(root), []);
  });

  for (const [extension, compress] of [
    [".jsonl.gz", gzipSync],
    [".jsonl.zst", zstdCompressSync],
    [".jsonl.br", brotliCompressSync],
  ] as const) {
    test(`${extension}: a file that is cut anywhere is refused`, async () => {
      const whole = compress(LINES);
      await using stage = await openStage(root, "cut");
      // Nothing at all is what ClickHouse sends for no rows: loadBatch asks whether that's true.
      for (let length = 1; length < whole.length; length += 1) {
        const cut = incoming(whole.subarray(0, length), { extension });
        await assert.rejects(
          stage.add(cut, signal),
          fails("stage.truncated", /is not whole: a broken compressed stream/),
          `cut at ${length}`,
        );
      }
      assert.deepEqual(await readdir(stage.folder), []);
    });
  }

  for (const [extension, compress] of [
    [".csv", (text: string) => Buffer.from(text)],
    [".csv.gz", gzipSync],
    [".csv.zst", zstdCompressSync],
    [".csv.br", brotliCompressSync],
  ] as const) {
    test(`${extension}: an empty file is refused, a header alone is no rows`, async () => {
      await using stage = await openStage(root, "header");
      const csv = { format: "csv", extension } as const;
      await assert.rejects(stage.add(incoming("", csv), signal), fails("stage.truncated", /is not whole/));
      assert.equal((await stage.add(incoming(compress('"a"\n'), csv), signal)).rows, 0);
    });
  }

  test("uncompressed text that ends in the middle of a row is refused", async () => {
    await using stage = await openStage(root, "row");
    for (let length = 1; length < LINES.length; length += 1) {
      const cut = LINES.slice(0, length);
      if (cut.endsWith("\n")) assert.equal((await stage.add(incoming(cut), signal)).rows, length / 8);
      else
        await assert.rejects(stage.add(incoming(cut), signal), fails("stage.truncated", /a last row without its end/));
    }
  });

  test("the text of an error among the rows is refused, wherever a chunk ends", async () => {
    await using stage = await openStage(root, "error");
    const error = "Code: 241. DB::Exception: Memory limit exceeded. (MEMORY_LIMIT_EXCEEDED)\n";
    const json = '{"exception": "Code: 159. DB::Exception: Timeout exceeded"}\n';
    for (const [format, text] of [
      ["jsonl", `${LINES}${error}`],
      ["jsonl", `${LINES}__exception__\r\nabc\r\n${error}`],
      ["jsonl", `${LINES}${json}`],
      ["jsonl", json],
      ["jsonl", "<html><body>Bad gateway</body></html>\n"],
      ["csv", `"a"\n1\n2\n${error}`],
      ["csv", `"a"\n1\n__exception__\r\n${error}`],
      ["csv", error],
      // The rows of totals and extremes come after an empty line.
      ["csv", '"a"\n1\n2\n\n1\n2\n'],
      ["csv", '"b"\n1\n'],
    ] as const) {
      for (const step of [1, 5, text.length]) {
        const chunks = Array.from({ length: Math.ceil(text.length / step) }, (_, at) =>
          Buffer.from(text.slice(at * step, (at + 1) * step)),
        );
        const file = incoming("", { stream: Readable.from(chunks), format, extension: `.${format}` });
        await assert.rejects(
          stage.add(file, signal),
          fails("stage.truncated", /an error among the rows: Code: \d+|is no row|last row without/),
          text,
        );
      }
    }
  });

  test("a Parquet file without its footer is refused", async () => {
    await using stage = await openStage(root, "a2");
    await assert.rejects(
      stage.add(incoming("PAR1", { format: "parquet", extension: ".parquet" }), signal),
      fails("stage.truncated", /Parquet/),
    );
  });

  test("rows of CSV are counted correctly whatever their values contain", async () => {
    await using stage = await openStage(root, "csv");
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.string({ unit: fc.constantFrom("a", '"', "\n", ",", "é") }), { maxLength: 20 }),
        fc.integer({ min: 1, max: 7 }),
        async (values, step) => {
          const text = `"id","value"\n${values.map((value) => `1,"${value.replaceAll('"', '""')}"\n`).join("")}`;
          const bytes = Buffer.from(text);
          const chunks = Array.from({ length: Math.ceil(bytes.length / step) }, (_, at) =>
            bytes.subarray(at * step, (at + 1) * step),
          );
          const csv = incoming("", {
            stream: Readable.from(chunks),
            columns: ["id", "value"],
            format: "csv",
            extension: ".csv",
          });
          assert.equal((await stage.add(csv, signal)).rows, values.length);
        },
      ),
      { numRuns: 50 },
    );
  });

  test("a full disk says how much was missing", { skip: process.platform === "win32" && "needs sh" }, async () => {
    const stage = new URL("../../src/stage/stage.ts", import.meta.url).href;
    const script = `
      import { Readable } from "node:stream";
import { text as textOf } from "node:stream/consumers";
      const { openStage } = await import(${JSON.stringify(stage)});
      await using stage = await openStage(${JSON.stringify(root)}, "full");
      const stream = Readable.from([Buffer.alloc(1_000_000), Buffer.alloc(2_000_000)]);
      const incoming = { stream, format: "jsonl", columns: ["a"], extension: ".jsonl", index: 0 };
      const { code, remedy, message } = await stage.add(incoming, AbortSignal.timeout(60_000)).catch((error) => error);
      console.log(JSON.stringify({ code, remedy, message }));`;
    // Files of this process end at 1,000 blocks of 512 bytes, as they do on a disk without space.
    const limited = 'trap \'\' XFSZ; ulimit -f 1000; exec "$0" --input-type=module -e "$1"';
    const child = spawn("sh", ["-c", limited, process.execPath, script], { stdio: ["ignore", "pipe", "inherit"] });
    const error = JSON.parse(await textOf(child.stdout)) as { code: string; remedy: string; message: string };
    assert.deepEqual([error.code, error.remedy], ["stage.disk_full", "retry"]);
    assert.match(error.message, /a file of 3 MB needs 2\.49 MB more/);
  });

  test("a stream that breaks leaves no file in the stage", async () => {
    await using stage = await openStage(root, "broken");
    const stream = Readable.from(
      (function* broken() {
        yield Buffer.from(LINES);
        throw new Error("the line broke");
      })(),
    );
    await assert.rejects(stage.add(incoming("", { stream }), signal), fails("stage.broken", /the line broke/));
    assert.deepEqual(await readdir(stage.folder), []);
  });

  test("an abort ends the staging of a stream that sends nothing", async () => {
    await using stage = await openStage(root, "abort");
    const leave = new AbortController();
    const adding = stage.add(incoming("", { stream: new Readable({ read: () => undefined }) }), leave.signal);
    const reason = new Error("stop");
    leave.abort(reason);
    await assert.rejects(adding, reason);
    assert.deepEqual(await readdir(stage.folder), []);
  });

  test("the staging folder of a killed process is removed by the next run, that of a live process is kept", async () => {
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    const alive = join(root, `run-${child.pid}-abc`);
    const ended = spawn(process.execPath, ["-e", ""]);
    await once(ended, "exit");
    const dead = join(root, `run-${ended.pid}-abc`);
    await mkdir(alive);
    await mkdir(dead);
    await writeFile(join(dead, "0.parquet"), "left over");
    {
      await using _stage = await openStage(root, "next");
      assert.ok(!existsSync(dead));
      assert.ok(existsSync(alive));
    }
    child.kill("SIGKILL");
    await once(child, "exit");
    await (await openStage(root, "last"))[Symbol.asyncDispose]();
    assert.ok(!existsSync(alive));
  });

  test("a staging folder that can't be created says what to do", async () => {
    await writeFile(join(root, "a-file"), "");
    await assert.rejects(
      openStage(join(root, "a-file"), "x"),
      (error) =>
        error instanceof ReplayportError && error.code === "stage.folder" && /--stage-dir/.test(error.hint ?? ""),
    );
  });
});

suite("the staging folder", () => {
  let parent: string;
  let root: string;
  before(async () => {
    parent = await mkdtemp(join(tmpdir(), "replayport-test-"));
    root = join(parent, "stage");
  });
  after(async () => await rm(parent, { recursive: true, force: true }));
  const mode = async (path: string): Promise<number> => (await lstat(path)).mode & 0o777;
  const refuses = async (path: string, message: RegExp): Promise<void> => {
    // A warehouse's check writes a file of its own there.
    for (const use of [() => openStage(path, "a1"), () => openProbe("replays", new Date(0), path)]) {
      await assert.rejects(use, (error) => {
        assert.ok(error instanceof ReplayportError && error.code === "stage.folder" && error.remedy === "give-up");
        assert.match(error.message, message);
        assert.match(error.hint ?? "", /--stage-dir/);
        return true;
      });
    }
  };

  test("no other user can read staged rows, whatever the process' umask", async () => {
    const umask = process.umask(0);
    try {
      await using stage = await openStage(join(root, "below", "others"), "a1");
      const { path } = await stage.add(incoming(LINES), signal);
      assert.equal(await mode(path), 0o600);
      for (const folder of [stage.folder, join(root, "below", "others"), join(root, "below")]) {
        assert.equal(await mode(folder), 0o700, folder);
      }
    } finally {
      process.umask(umask);
      await rm(root, { recursive: true });
    }
  });

  for (const bits of [0o755, 0o750, 0o701, 0o777]) {
    test(`a folder that others may enter (${bits.toString(8)}) is refused, and nothing is written to it`, async () => {
      await mkdir(root);
      await chmod(root, bits);
      await refuses(root, /its mode is 7\d\d, so other users may enter it/);
      assert.deepEqual(await readdir(root), []);
      await rm(root, { recursive: true });
    });
  }

  test("a link in place of the folder is refused, also with a slash after it", async () => {
    const elsewhere = join(parent, "elsewhere");
    await mkdir(elsewhere, { mode: 0o700 });
    await symlink(elsewhere, root);
    for (const path of [root, `${root}/`, `${root}/.`]) await refuses(path, /it is a link/);
    assert.deepEqual(await readdir(elsewhere), []);
    await rm(root);
  });

  const noFifos = process.platform === "win32" && "no FIFOs";
  test("a file or a FIFO in place of the folder is refused", { skip: noFifos }, async () => {
    await writeFile(root, "");
    await refuses(root, /cannot stage files/);
    await rm(root);
    execFileSync("mkfifo", [root]);
    await refuses(root, /cannot stage files/);
    await rm(root);
  });

  test("a folder of another user is refused", { skip: process.getuid?.() !== 0 && "needs root" }, async () => {
    await mkdir(root, { mode: 0o700 });
    await chown(root, 12_345, 12_345);
    await refuses(root, /it belongs to user 12345/);
    await rm(root, { recursive: true });
  });

  test("a planted link, soft or hard, isn't written through", async () => {
    const target = join(parent, "target");
    await writeFile(target, "precious");
    await using stage = await openStage(root, "a1");
    await symlink(target, join(stage.folder, "0.jsonl"));
    const { path } = await stage.add(incoming(LINES), signal);
    assert.equal(await readFile(target, "utf8"), "precious");
    assert.ok((await lstat(path)).isFile());
    assert.equal(await mode(path), 0o600);
    await link(target, join(stage.folder, "1.jsonl"));
    await stage.add(incoming(LINES, { index: 1 }), signal);
    assert.equal(await readFile(target, "utf8"), "precious");
  });
});
