/** What an audit asks of the destination in memory, with a flaw or without. */
import { createHash } from "node:crypto";
import type { DestinationAudit } from "../../destinations/destination.ts";
import { type AuditGroup, auditText, BUCKET_SIZE, keyText, SECONDS_OF_DAY } from "../../src/models/audit.ts";

export type AuditFlaw =
  | "counts another day"
  | "sums what it does not have"
  | "counts rows of before the range"
  | "counts other teams"
  | "finds a version that no row has";

interface AuditedRow {
  readonly session: string;
  readonly version: number;
  readonly start?: Date;
}

const firstBits = (text: string): number => createHash("md5").update(text).digest().readUInt32BE(0);

/** Of every row. */
const TEAM = 1;

export function memoryAudit(rows: () => readonly AuditedRow[], flaw: string | undefined): DestinationAudit {
  return {
    dropsDeleted: false,
    async groups({ from, teams }, signal) {
      await Promise.resolve();
      signal.throwIfAborted();
      const isOf = teams === "all" || [teams].flat().includes(TEAM) || flaw === "counts other teams";
      const groups = new Map<string, AuditGroup>();
      for (const { session, version, start = new Date(0) } of isOf ? rows() : []) {
        if (start < from && flaw !== "counts rows of before the range") continue;
        const key = { team: String(TEAM), session };
        const own = firstBits(auditText(key, String(version)));
        const later = flaw === "counts another day" ? 1 : 0;
        const day = Math.floor(start.getTime() / 1000 / SECONDS_OF_DAY) + later;
        const bucket = Math.floor(firstBits(keyText(key)) / BUCKET_SIZE);
        const { sessions = 0, checksum = 0 } = groups.get(`${day} ${bucket}`) ?? {};
        const wrong = flaw === "sums what it does not have" ? 1 : 0;
        groups.set(`${day} ${bucket}`, { day, bucket, sessions: sessions + 1, checksum: checksum + own + wrong });
      }
      return [...groups.values()];
    },
    async versions(_, keys, signal) {
      await Promise.resolve();
      signal.throwIfAborted();
      const found = keys.flatMap((key): [string, string][] => {
        const row = rows().find(({ session }) => key.team === String(TEAM) && key.session === session);
        if (row) return [[keyText(key), String(row.version)]];
        return flaw === "finds a version that no row has" ? [[keyText(key), "0"]] : [];
      });
      return new Map(found);
    },
  };
}
