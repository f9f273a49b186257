/** Which manifests count. Pure: a listing has everything it needs. */
import { contains } from "../../src/intervals/interval.ts";
import type { ManifestName } from "./layout.ts";

/** A manifest or a claim as a listing shows it. */
export interface Entry extends ManifestName {
  /** The store's time of the object. */
  readonly committedAt: Date;
}

export interface Superseded {
  readonly entry: Entry;
  /** The manifest that counts in its place. */
  readonly by: Entry;
}

export interface Ledger {
  /** By start, then by end. */
  readonly current: readonly Entry[];
  readonly superseded: readonly Superseded[];
}

/**
 * Two rules: the highest generation of an interval counts, and an interval within another one counts only if it was read
 * later. The rest is removed after a grace.
 */
export function ledgerOf(entries: readonly Entry[]): Ledger {
  const manifests = entries.filter(({ kind }) => kind === "manifest");
  const highest = new Map<string, Entry>();
  for (const entry of manifests) {
    const name = rangeOf(entry);
    const other = highest.get(name);
    if (!other || other.generation < entry.generation) highest.set(name, entry);
  }
  // By the one that counts, never by one in between: the grace begins when the last took its place.
  const superseded: Superseded[] = manifests.flatMap((entry) => {
    const by = highest.get(rangeOf(entry));
    return by && by !== entry ? [{ entry, by }] : [];
  });
  const claims = entries.filter(({ kind }) => kind === "claim");

  const current: Entry[] = [];
  // Outer intervals come before inner ones, so only those that are still open (one or two) can contain the next.
  let open: Entry[] = [];
  for (const entry of [...highest.values(), ...claims].sort(outerFirst)) {
    open = open.filter((outer) => outer.interval.end > entry.interval.start);
    const by = open.find(
      (outer) => contains(outer.interval, entry.interval) && (entry.kind === "claim" || readAt(outer) >= readAt(entry)),
    );
    if (by) {
      superseded.push({ entry, by });
    } else if (entry.kind === "manifest") {
      current.push(entry);
      open.push(entry);
    }
  }
  return { current: current.sort(byTime), superseded };
}

/** 0.1.0 has no time of the read in the name, so the time of the commit is used. */
export function readAt(entry: Entry): Date {
  return entry.readAt ?? entry.committedAt;
}

function outerFirst(one: Entry, other: Entry): number {
  const claimsLast = Number(one.kind === "claim") - Number(other.kind === "claim");
  return startOf(one) - startOf(other) || endOf(other) - endOf(one) || claimsLast;
}

function byTime(one: Entry, other: Entry): number {
  return startOf(one) - startOf(other) || endOf(one) - endOf(other);
}

/** Cheaper than a name: a ledger has tens of thousands of entries. */
function rangeOf(entry: Entry): string {
  return `${startOf(entry)}/${endOf(entry)}`;
}

function startOf(entry: Entry): number {
  return entry.interval.start.getTime();
}

function endOf(entry: Entry): number {
  return entry.interval.end.getTime();
}
