import { fork } from "node:child_process";
import { once } from "node:events";
import { fileURLToPath } from "node:url";

/** Runs a script of this folder in a process of its own, and gives the one message that it answers with. */
export async function ask<Answer>(
  script: string,
  job: { readonly kind: string },
  signal: AbortSignal,
  execArgv: string[] = [],
): Promise<Answer> {
  const child = fork(fileURLToPath(new URL(script, import.meta.url)), [JSON.stringify(job)], { signal, execArgv });
  const ended = once(child, "exit");
  const [answer] = (await Promise.race([once(child, "message"), ended.then(() => [undefined])])) as [
    Answer | undefined,
  ];
  await ended;
  if (answer === undefined) throw new Error(`the process for ${job.kind} failed`);
  return answer;
}
