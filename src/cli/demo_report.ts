/** Prints the demo for people: 80 columns wide, with colours on a terminal only. */
import { styleText } from "node:util";
import { Presets, SingleBar } from "cli-progress";
import { bar, fit, sparkline } from "../demo/charts.ts";
import { COMPARED_COLUMNS, type Proof, holds } from "../demo/proof.ts";
import type { SampleResults, Day, Page, ReplayToWatch } from "../demo/sample_queries.ts";
import type { Exported } from "../demo/story.ts";
import { type CliEnvironment, ownCommand } from "./environment.ts";
import { bytes, count, formatDuration, hasColours, plural } from "./output.ts";

const WIDTH = 80;

export interface Finished {
  readonly seconds: number;
  readonly lake: string;
  readonly config: string;
  /** Starts the Iceberg catalog again, which ends with the demo. Undefined: the lake is the folder. */
  readonly catalog: string | undefined;
}

type Style = Parameters<typeof styleText>[0];

export class DemoReport {
  readonly #out: NodeJS.WritableStream;
  readonly #err: CliEnvironment["stderr"];
  readonly #colours: boolean;
  readonly #command: string;
  #step = 0;

  constructor(cli: CliEnvironment, out: NodeJS.WritableStream) {
    this.#out = out;
    this.#err = cli.stderr;
    this.#colours = hasColours(out, cli.env);
    this.#command = ownCommand(cli.env);
  }

  title(text: string): void {
    this.line(this.#style("bold", text));
  }

  /** Begins a step. Call the returned function at its end, to print its result and the time it took. */
  step(text: string): (line: string) => void {
    const began = performance.now();
    this.#step += 1;
    this.line();
    this.line(this.#style(["bold", "cyan"], `${this.#step}. ${text}`));
    return (line) => {
      const seconds = `${((performance.now() - began) / 1000).toFixed(1)} s`;
      this.line(`   ${line.padEnd(WIDTH - 3 - seconds.length - 1)} ${this.#style("dim", seconds)}`);
    };
  }

  line(text = ""): void {
    this.#out.write(`${text}\n`);
  }

  /** A progress bar on standard error, where that is a terminal. */
  progress(name: string): { readonly tick: (done: number, of: number) => void } & Disposable {
    if (this.#err.isTTY !== true) return { tick: () => undefined, [Symbol.dispose]: () => undefined };
    const format = `   ${name} {bar} {value}/{total}`;
    const shown = new SingleBar(
      { format, stream: this.#err, hideCursor: true, clearOnComplete: true, barsize: 40 },
      Presets.shades_grey,
    );
    return {
      tick: (done, of) => {
        if (!shown.isActive) shown.start(of, done);
        shown.update(done);
      },
      [Symbol.dispose]: () => shown.stop(),
    };
  }

  exported({ batches, sweeps, rows, bytes: size }: Exported): string {
    const hours = batches > sweeps || sweeps === 0 ? [plural(batches - sweeps, "hour")] : [];
    const days = sweeps > 0 ? [`${plural(sweeps, "whole day")} again (sweep)`] : [];
    return `exported: ${[...hours, ...days].join(" and ")}, ${plural(rows, "row")}, ${bytes(size)}`;
  }

  answers({ days, pages, worth }: SampleResults): void {
    this.#days(days);
    this.#pages(pages);
    this.#worth(worth);
  }

  #days(days: readonly Day[]): void {
    this.#question("Replays per day", "hours 0 to 23");
    const most = Math.max(...days.map(({ replays }) => replays));
    for (const { day, replays, mobile, hours } of days.slice(-14)) {
      const share = `${Math.round((mobile / replays) * 100)} % mobile`;
      const drawn = this.#style("cyan", fit(bar(replays, most, 20), 20));
      this.line(`   ${day}  ${drawn} ${count(replays).padStart(9)}  ${share.padStart(11)}  ${sparkline(hours)}`);
    }
  }

  #pages(pages: readonly Page[]): void {
    this.#question("Error rate by page", "replays with a console error");
    const rate = ({ failed, replays }: Page): number => failed / replays;
    const most = Math.max(...pages.map(rate));
    for (const page of pages) {
      const percent = `${(rate(page) * 100).toFixed(1)} %`.padStart(7);
      const drawn = this.#style("yellow", fit(bar(rate(page), most, 34), 34));
      this.line(`   ${fit(page.page, 16)} ${drawn} ${percent}  of ${count(page.replays).padStart(8)}`);
    }
  }

  #worth(worth: readonly ReplayToWatch[]): void {
    this.#question("The 10 replays most worth watching", "link: replay_url");
    this.line(this.#style("dim", `   score  min  err  ${fit("entry page", 16)} session`));
    for (const { session, page, minutes, errors, score } of worth) {
      const figures = `${(score ?? 0).toFixed(3)} ${minutes.toFixed(0).padStart(4)} ${String(errors).padStart(4)}`;
      this.line(`   ${figures}  ${fit(page, 16)} ${session}`);
    }
  }

  #question(text: string, aside: string): void {
    this.line();
    this.line(`   ${this.#style("bold", text)} ${this.#style("dim", `(${aside})`)}`);
  }

  proof(proof: Proof): void {
    const row = (label: string, value: number, bad: boolean): void => {
      const shown = count(value).padStart(12);
      this.line(`   ${label.padEnd(38)}${bad ? this.#style("red", shown) : shown}`);
    };
    row("sessions in the source", proof.source, proof.source === 0);
    row("sessions in the lake", proof.lake, proof.lake !== proof.source);
    row("missing from the lake", proof.missing, proof.missing > 0);
    row("not in the source", proof.unknown, proof.unknown > 0);
    row("duplicates", proof.doubled, proof.doubled > 0);
    row(`different in any of ${COMPARED_COLUMNS.length} columns`, proof.different, proof.different > 0);
    if (holds(proof)) {
      this.line(this.#style(["bold", "green"], "   The lake matches the source, row by row."));
      return;
    }
    this.line(this.#style(["bold", "red"], "   The lake differs from the source."));
    const columns = proof.differentColumns.length > 0 ? `; columns: ${proof.differentColumns.join(", ")}` : "";
    this.line(`   For example session ${proof.example}${columns}`);
  }

  next({ seconds, lake, config, catalog }: Finished): void {
    const commands = [
      ["init", "writes a commented schedules.yaml"],
      ["check", "tests the source and destinations"],
      ["run --due", "loads what is due; run it from cron"],
      ["sql", "prints the SELECT for your BI tool"],
    ] as const;
    this.line();
    this.title(`Done in ${formatDuration(seconds)}. What next?`);
    if (catalog === undefined) {
      this.line(`   The lake is in ${lake}: Parquet files, and receipts in _replayport.`);
    } else {
      this.line("   The lake is the table demo.replays in an Iceberg catalog, which has ended. To start it again:");
      this.line(`     ${catalog}`);
    }
    this.line("   Explore it:");
    this.line(`     ${this.#command} status --config ${config}`);
    this.line(`     ${this.#command} sql --config ${config}`);
    this.line("   With your own ClickHouse and bucket:");
    for (const [name, does] of commands) this.line(`     ${this.#command} ${name.padEnd(9)}    ${does}`);
  }

  #style(style: Style, text: string): string {
    return this.#colours ? styleText(style, text, { validateStream: false }) : text;
  }
}
