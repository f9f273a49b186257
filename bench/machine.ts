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
