/** The machine that the figures come from, and the memory of a process. */
import { readFile, writeFile } from "node:fs/promises";
import { cpus, release, totalmem, type } from "node:os";
import prettyBytes from "pretty-bytes";

export function describeMachine(engine: string): string {
  const [first] = cpus();
  const memory = prettyBytes(totalmem(), { binary: true, maximumFractionDigits: 0 });
  return [
    `${cpus().length} cores (${(first?.model ?? "unknown").trim()})`,
    `${memory} of memory`,
    `${type()} ${release()}`,
    `Node.js ${process.versions.node}`,
    `ClickHouse ${engine} (embedded)`,
  ].join(", ");
}

/** The peak counts anew from here on. Linux only; elsewhere, peakMemory is undefined. */
export async function resetPeak(pid: number): Promise<void> {
  await writeFile(`/proc/${pid}/clear_refs`, "5").catch(() => undefined);
}

/** Most bytes that the process held in memory since resetPeak. */
export async function peakMemory(pid: number): Promise<number | undefined> {
  const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
  const kilobytes = /^VmHWM:\s+(\d+) kB$/m.exec(status)?.[1];
  return kilobytes === undefined ? undefined : Number(kilobytes) * 1024;
}

/** Clock ticks of /proc in a second, on every Linux that Node.js runs on. */
const TICKS = 100;

/** Core-seconds that the process has spent; undefined elsewhere than on Linux. */
export async function coreSeconds(pid: number): Promise<number | undefined> {
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  // The second field is the program's name, which may hold blanks; user and system time are fields 14 and 15.
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const ticks = Number(fields[11]) + Number(fields[12]);
  return Number.isNaN(ticks) ? undefined : ticks / TICKS;
}
