/**
 * What becomes of a command that Redis refuses. Every command of a connection passes through here, ours and BullMQ's. BullMQ asks
 * again at once when it is refused, without end, so an error that reached it would use up a processor and fill the disk with logs.
 * So a connection that waits for Redis (`forever`) also waits for a Redis that refuses:
 *
 * - The command is sent again, after a growing delay, until Redis accepts it. Its caller sees a slow answer.
 * - A blocking command fails after the delay: BullMQ watches its time and sends another one.
 * - Another error of a command, such as a key of the wrong type, reaches the caller after a second. It counts as a refusal for longer
 *   than a tick, since the same command is likely to fail again.
 *
 * Nothing of ours, and nothing of BullMQ that we call, uses MULTI, whose commands can't be sent again one by one.
 */
import type { Cluster, Command, Redis } from "ioredis";
import { delayAfter } from "../../retry.ts";
import { corkOf } from "./cork.ts";
import { isForbidden, isRefusal, isReply } from "./errors.ts";
import type { Outage } from "./outage.ts";

export type RedisClient = Redis | Cluster;

/**
 * The answers to commands that a user with few rights may not send: nothing depends on them. BullMQ and ioredis want a version, so
 * they get the oldest that we support.
 */
const OPTIONAL: Readonly<Record<string, string>> = { info: "redis_version:6.2.0\r\n", client: "OK", ping: "PONG" };
/** Sent by the client itself, which handles their errors. */
const OF_CLIENT = new Set(["auth", "hello", "select", "client", "info", "readonly", "cluster", "quit"]);
const BLOCKING = new Set(["bzpopmin", "xread"]);
/** A script that isn't loaded: ioredis loads it. */
const NOSCRIPT = /^NOSCRIPT\b/;
/** Redis has become a replica, and says no more than that. The next command says it again. */
const UNBLOCKED = /^UNBLOCKED\b/;
const REFUSED = { firstDelayMs: 200, longestDelayMs: 5_000 };
const OTHER_MS = 1_000;
const OTHER_KEPT_MS = 90_000;

/**
 * What a connection and its copies have refused and not accepted since: a command that waits, or the name of a blocking one. The
 * copies share it, since BullMQ waits for all of them.
 */
const refusedBy = new WeakMap<RedisClient, Set<unknown>>();

export function isRefusing(client: RedisClient): boolean {
  return (refusedBy.get(client)?.size ?? 0) > 0;
}

type Send = (command: Command, ...where: unknown[]) => unknown;

/**
 * @param waits whether a refused command is sent again; otherwise its caller gets the error
 * @param original of which the client is a copy
 */
export function watchReplies(client: RedisClient, waits: boolean, outage: Outage, original?: RedisClient): void {
  const refused = (original && refusedBy.get(original)) ?? new Set<unknown>();
  const waiting = new Map<Command, () => void>();
  const times = new Map<unknown, number>();
  const seen = new WeakSet<Command>();
  refusedBy.set(client, refused);
  const send = client.sendCommand.bind(client) as Send;
  const cork = corkOf(client);

  const begin = (what: unknown, error: Error): number => {
    refused.add(what);
    outage.onRefused(error);
    const count = (times.get(what) ?? 0) + 1;
    times.set(what, count);
    return delayAfter(count, error, REFUSED, Math.random);
  };
  const end = (what: unknown): void => {
    times.delete(what);
    if (refused.delete(what) && refused.size === 0) outage.onAccepted();
  };

  const kept = new Map<string, NodeJS.Timeout>();
  const keep = (what: string, error: Error): void => {
    begin(what, error);
    clearTimeout(kept.get(what));
    kept.set(what, setTimeout(() => end(what), OTHER_KEPT_MS).unref());
  };

  const watch = (command: Command): void => {
    const { name } = command;
    const resolve = command.resolve.bind(command);
    const reject = command.reject.bind(command);
    const what = BLOCKING.has(name) ? name : command;
    command.resolve = (result: unknown) => {
      if (refused.size > 0) end(what);
      return resolve(result);
    };
    command.reject = (error) => {
      const answer = OPTIONAL[name];
      if (answer !== undefined && isForbidden(error)) {
        resolve(answer);
      } else if (!waits || !isReply(error) || NOSCRIPT.test(error.message) || OF_CLIENT.has(name)) {
        end(command);
        reject(error);
      } else if (!isRefusal(error) || UNBLOCKED.test(error.message)) {
        end(command);
        if (!isRefusal(error)) keep(`${name} failed`, error);
        setTimeout(() => reject(error), OTHER_MS);
      } else if (what !== command) {
        setTimeout(() => reject(error), begin(what, error));
      } else {
        const again = setTimeout(
          () => {
            waiting.delete(command);
            // Each command of a pipeline waits by itself. None of ours depends on its neighbours.
            delete command.pipelineIndex;
            send(command);
          },
          begin(what, error),
        );
        waiting.set(command, () => {
          clearTimeout(again);
          reject(error);
        });
      }
    };
  };

  Object.assign(client, {
    sendCommand: (command: Command, ...where: unknown[]) => {
      // A connection that was lost sends its commands again.
      if (!seen.has(command)) watch(command);
      seen.add(command);
      cork();
      return send(command, ...where);
    },
  });
  client.on("end", () => {
    for (const giveUp of waiting.values()) giveUp();
    waiting.clear();
    for (const timer of kept.values()) clearTimeout(timer);
  });
}
