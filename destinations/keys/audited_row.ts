/** What an audit computes from the key columns of a row (src/models/audit.ts). */
import { hash } from "node:crypto";
import {
  AUDIT_BUCKETS,
  type AuditGroup,
  type AuditKey,
  auditText,
  BUCKET_SIZE,
  keyText,
  SECONDS_OF_DAY,
} from "../../src/models/audit.ts";
import type { Teams } from "../../src/models/model.ts";
import { type KeyValue, valueAt } from "./encode.ts";
import type { KeyRows } from "./supersession.ts";

const DAY_MICROS = BigInt(SECONDS_OF_DAY) * 1_000_000n;

export function auditedKey({ key: [team, session] }: KeyRows, row: number): AuditKey {
  return { team: textOf(valueAt(team, row)), session: textOf(valueAt(session, row)) };
}

/** Days since 1970; -1 of a row without a start. */
export function startDay({ more }: KeyRows, row: number): number {
  const start = valueAt(more?.[0], row);
  return typeof start === "bigint" ? Number(start / DAY_MICROS) : -1;
}

export function auditedVersion({ order }: KeyRows, row: number): string {
  return textOf(valueAt(order[0], row));
}

/** Its day and bucket as one number, and its checksum. */
export function groupOf(key: AuditKey, day: number, version: string): { group: number; checksum: number } {
  const bucket = Math.floor(firstBits(keyText(key)) / BUCKET_SIZE);
  return { group: day * AUDIT_BUCKETS + bucket, checksum: firstBits(auditText(key, version)) };
}

/** Sums by group. */
export class GroupSums {
  readonly #sums = new Map<number, { sessions: number; checksum: number }>();

  add(group: number, checksum: number): void {
    const sum = this.#sums.get(group) ?? { sessions: 0, checksum: 0 };
    this.#sums.set(group, { sessions: sum.sessions + 1, checksum: sum.checksum + checksum });
  }

  groups(): AuditGroup[] {
    return [...this.#sums].map(([group, sum]) => ({
      day: Math.floor(group / AUDIT_BUCKETS),
      bucket: group % AUDIT_BUCKETS,
      ...sum,
    }));
  }
}

export function teamFilter(teams: Teams): (some: KeyRows, row: number) => boolean {
  if (teams === "all") return () => true;
  const wanted = new Set<KeyValue>([teams].flat().map(BigInt));
  return ({ key: [team] }, row) => wanted.has(valueAt(team, row));
}

function textOf(value: KeyValue): string {
  if (value instanceof Uint8Array) return Buffer.from(value.buffer, value.byteOffset, value.length).toString();
  return value === null || value === undefined ? "" : String(value);
}

function firstBits(text: string): number {
  return hash("md5", text, "buffer").readUInt32BE(0);
}
