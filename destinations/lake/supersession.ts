/** Which manifests count. Pure: a listing has everything it needs. */
import { contains, intervalName } from "../../src/intervals/interval.ts";
import type { ManifestName } from "./layout.ts";

/** A manifest as a listing shows it. */
export interface Entry extends ManifestName {
  /** The store's time of the manifest. */
  readonly committedAt: Date;
}

export interface Superseded {
  readonly entry: Entry;
  /** The manifest that replaced it. */
  readonly by: Entry;
}

export interface Ledger {
  /** By start, then by end. */
  readonly current: readonly Entry[];
  readonly superseded: readonly Superseded[];
}

/**
 * Two rules: the highest generation of an interval counts, and an interval within another one counts only if it was
 * committed later. The rest is what a cleanup didn't get to, since a load removes what it replaces.
 */
export function ledgerOf(entries: readonly Entry[]): Ledger {
  const superseded: Superseded[] = [];
  const highest = new Map<string, Entry>();
  for (const entry of entries) {
    const name = intervalName(entry.interval);
    const other = highest.get(name);
    if (!other) {
      highest.set(name, entry);
      continue;
    }
    const [lower, higher] = other.generation < entry.generation ? [other, entry] : [entry, other];
    highest.set(name, higher);
    superseded.push({ entry: lower, by: higher });
  }

  const current: Entry[] = [];
  // Outer intervals come before inner ones, so only those that are still open (one or two) can contain the next.
  let open: Entry[] = [];
  for (const entry of [...highest.values()].sort(outerFirst)) {
    open = open.filter((outer) => outer.interval.end > entry.interval.start);
    const by = open.find((outer) => contains(outer.interval, entry.interval) && outer.committedAt >= entry.committedAt);
    if (by) {
      superseded.push({ entry, by });
    } else {
      current.push(entry);
      open.push(entry);
    }
  }
  return { current: current.sort(byTime), superseded };
}

function outerFirst(one: Entry, other: Entry): number {
  return startOf(one) - startOf(other) || endOf(other) - endOf(one);
}

function byTime(one: Entry, other: Entry): number {
  return startOf(one) - startOf(other) || endOf(one) - endOf(other);
}

function startOf(entry: Entry): number {
  return entry.interval.start.getTime();
}

function endOf(entry: Entry): number {
  return entry.interval.end.getTime();
}
