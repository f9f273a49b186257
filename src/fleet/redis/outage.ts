/**
 * Reports once that Redis is away and once that it is back, however many connections and commands find out. Away is a Redis that
 * doesn't answer, and one that answers and refuses.
 */
import type { ReplayportError } from "../../errors.ts";
import type { FleetRedisOptions } from "../fleet.ts";
import { isOfRedis, redisError } from "./errors.ts";

export interface OutageLog {
  /** Called once per outage for each code of an error. */
  readonly away: (error: ReplayportError) => void;
  readonly back: () => void;
  /** An error that isn't about Redis' state; called once for each text. */
  readonly other: (error: unknown) => void;
}

/** One connection of the process. */
export interface Outage {
  /** For the client's `error`. */
  readonly onError: (error: unknown) => void;
  /** For the client's `ready`. */
  readonly onReady: () => void;
  /** Redis has refused a command, and will be asked again. */
  readonly onRefused: (error: unknown) => void;
  /** No command is refused any more. */
  readonly onAccepted: () => void;
  /** For another connection, which this one was copied to. */
  readonly another: () => Outage;
}

export interface Outages {
  readonly watch: () => Outage;
  /** Why Redis is away; undefined if it isn't. */
  readonly problem: () => ReplayportError | undefined;
}

/** Texts of other errors that are remembered. */
const OTHERS = 100;

/** The outage begins with the first connection that is lost or refused, and ends when the last one is neither. */
export function watchOutages(log: OutageLog, options: FleetRedisOptions): Outages {
  const away = new Map<Outage, ReplayportError>();
  const said = new Set<string>();
  const others = new Set<string>();
  const onOther = (error: unknown): void => {
    const text = String(error);
    if (others.has(text)) return;
    if (others.size >= OTHERS) others.clear();
    others.add(text);
    log.other(error);
  };
  const watch = (): Outage => {
    let lost = false;
    let refused = false;
    const begin = (cause: unknown): void => {
      const error = redisError(cause, options);
      away.set(outage, error);
      if (said.has(error.code)) return;
      said.add(error.code);
      log.away(error);
    };
    const end = (): void => {
      if (lost || refused || !away.delete(outage) || away.size > 0) return;
      said.clear();
      log.back();
    };
    const outage: Outage = {
      onError: (error) => {
        if (!isOfRedis(error)) {
          onOther(error);
          return;
        }
        lost = true;
        begin(error);
      },
      onReady: () => {
        lost = false;
        end();
      },
      onRefused: (error) => {
        refused = true;
        begin(error);
      },
      onAccepted: () => {
        refused = false;
        end();
      },
      another: watch,
    };
    return outage;
  };
  return { watch, problem: () => away.values().next().value };
}

const nothing = (): void => undefined;

/** For connections whose errors are the answers of their commands. */
export function ignoreOutages(onError: Outage["onError"] = nothing): Outage {
  const outage: Outage = {
    onError,
    onReady: nothing,
    onRefused: nothing,
    onAccepted: nothing,
    another: () => outage,
  };
  return outage;
}
