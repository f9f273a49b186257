/**
 * Which rows die when a batch comes: a pure function of the snapshot's rows and the batch's.
 *
 * Of each key of the batch one row stays: the highest in the order of reads (src/models/reading_order.ts). On a tie the row
 * that was read later stays: the batch's, and of two rows of the batch the one that comes later. All others of that key die,
 * those of the batch too. Keys that the batch lacks are left alone.
 *
 * A row may be `gone`: its session was deleted or no longer matches. If it's the highest of its key, no row stays. Such rows are
 * kept outside of the table (gone_rows.ts) and come back here as `gone` files, so that an older read can't bring a session back.
 *
 * Memory: the keys of the batch, MOST_KEYS at a time, and one other file. A larger batch takes several passes over the files.
 */
import { HASH_HIGH, HASH_LOW, PACKED_WORDS, type PackedKeys, PLACE } from "../keys/packed_keys.ts";
import { PLACE_WORDS, reaches } from "../keys/encode.ts";
import { DeadRows } from "./dead_rows.ts";

/** 68 bytes each. */
const MOST_KEYS = 2_000_000;

/** A file whose keys can be read, as often as there are passes. */
export interface KeyedFile {
  readonly rows: number;
  readonly keys: () => Promise<PackedKeys>;
}

export interface BatchFile extends KeyedFile {
  /** Rows that leave no row in the table. Undefined for none. */
  readonly gone?: DeadRows | undefined;
}

export interface LiveFile extends KeyedFile {
  /** Rows that are dead already. Undefined for none. */
  readonly dead?: DeadRows | undefined;
}

export interface DeltaInput {
  /** In the order in which they were read. */
  readonly batch: readonly BatchFile[];
  /** Of the snapshot, the newest first: of two of its rows that tie, the newer one stays. Files that can't have a key of the batch may be left out. */
  readonly live: readonly LiveFile[];
  /** Rows that are kept outside of the table. */
  readonly gone: readonly KeyedFile[];
}

export interface Delta {
  /** The dead rows of each file of the batch. */
  readonly own: readonly DeadRows[];
  /** Of these, the gone rows that are the highest of their key. */
  readonly gone: readonly DeadRows[];
  /** All dead rows of each live file; undefined where the batch kills none. */
  readonly live: readonly (DeadRows | undefined)[];
}

/** @param mostKeys of the batch in memory at once */
export async function computeDelta({ batch, live, gone }: DeltaInput, mostKeys = MOST_KEYS): Promise<Delta> {
  const own = batch.map((file) => new DeadRows(file.rows));
  const goneNow = batch.map((file) => new DeadRows(file.rows));
  const killed: (DeadRows | undefined)[] = live.map(() => undefined);
  const kill = (file: number, position: number): void => {
    if (file < batch.length) own[file]?.add(position);
    else if (file >= batch.length + gone.length) {
      const at = file - batch.length - gone.length;
      (killed[at] ??= new DeadRows(live[at]?.rows ?? 0, live[at]?.dead)).add(position);
    }
  };
  const rows = batch.reduce((sum, file) => sum + file.rows, 0);
  const passes = Math.max(1, Math.ceil(rows / mostKeys));
  for (let pass = 0; pass < passes; pass += 1) {
    const highest = new HighestRows(Math.ceil(rows / passes), pass, passes, kill);
    for (const [at, file] of batch.entries()) highest.enter(await file.keys(), at);
    // After the batch: on a tie what is there loses.
    for (const [at, file] of gone.entries()) highest.compare(await file.keys(), batch.length + at, undefined);
    for (const [at, file] of live.entries()) {
      highest.compare(await file.keys(), batch.length + gone.length + at, file.dead);
    }
    highest.forEach((file, position) => {
      if (!batch[file]?.gone?.has(position)) return;
      own[file]?.add(position);
      goneNow[file]?.add(position);
    });
  }
  return { own, gone: goneNow, live: killed };
}

const NONE = -1;
const NEXT = 2;
const FILE = 3;
const POSITION = 4;
const ENTRY_PLACE = 5;
const ENTRY_WORDS = ENTRY_PLACE + PLACE_WORDS;

/** The highest row of each key of the batch so far. */
class HighestRows {
  readonly #buckets: Int32Array;
  readonly #mask: number;
  #entries: Int32Array;
  #count = 0;
  readonly #pass: number;
  readonly #passes: number;
  readonly #kill: (file: number, position: number) => void;

  /** @param rows about how many keys there are */
  constructor(rows: number, pass: number, passes: number, kill: (file: number, position: number) => void) {
    const capacity = Math.max(16, rows);
    this.#mask = 2 ** Math.ceil(Math.log2(capacity)) - 1;
    this.#buckets = new Int32Array(this.#mask + 1).fill(NONE);
    this.#entries = new Int32Array(capacity * ENTRY_WORDS);
    this.#pass = pass;
    this.#passes = passes;
    this.#kill = kill;
  }

  /** Rows of the batch. The one that comes later wins a tie. */
  enter({ rows, words }: PackedKeys, file: number): void {
    for (let row = 0; row < rows; row += 1) {
      const at = row * PACKED_WORDS;
      if (((words[at + HASH_HIGH] ?? 0) >>> 0) % this.#passes !== this.#pass) continue;
      const entry = this.#find(words, at);
      if (entry === undefined) this.#add(words, at, file, row);
      else if (reaches(words, at + PLACE, this.#entries, entry + ENTRY_PLACE))
        this.#replace(entry, words, at, file, row);
      else this.#kill(file, row);
    }
  }

  /** Rows that were there before. What was met first wins a tie: the batch's rows, then those of newer files. */
  compare({ rows, words }: PackedKeys, file: number, dead: DeadRows | undefined): void {
    for (let row = 0; row < rows; row += 1) {
      const at = row * PACKED_WORDS;
      const entry = this.#find(words, at);
      if (entry === undefined || dead?.has(row) === true) continue;
      if (reaches(this.#entries, entry + ENTRY_PLACE, words, at + PLACE)) this.#kill(file, row);
      else this.#replace(entry, words, at, file, row);
    }
  }

  forEach(visit: (file: number, position: number) => void): void {
    for (let at = 0; at < this.#count * ENTRY_WORDS; at += ENTRY_WORDS) {
      visit(this.#entries[at + FILE] ?? 0, this.#entries[at + POSITION] ?? 0);
    }
  }

  #find(words: Int32Array, at: number): number | undefined {
    const [high, low] = [words[at + HASH_HIGH] ?? 0, words[at + HASH_LOW] ?? 0];
    let entry = this.#buckets[low & this.#mask] ?? NONE;
    while (entry !== NONE && (this.#entries[entry + HASH_LOW] !== low || this.#entries[entry + HASH_HIGH] !== high)) {
      entry = this.#entries[entry + NEXT] ?? NONE;
    }
    return entry === NONE ? undefined : entry;
  }

  #add(words: Int32Array, at: number, file: number, row: number): void {
    const entry = this.#count * ENTRY_WORDS;
    if (entry === this.#entries.length) {
      const larger = new Int32Array(this.#entries.length * 2);
      larger.set(this.#entries);
      this.#entries = larger;
    }
    this.#count += 1;
    const bucket = (words[at + HASH_LOW] ?? 0) & this.#mask;
    this.#entries[entry + HASH_HIGH] = words[at + HASH_HIGH] ?? 0;
    this.#entries[entry + HASH_LOW] = words[at + HASH_LOW] ?? 0;
    this.#entries[entry + NEXT] = this.#buckets[bucket] ?? NONE;
    this.#buckets[bucket] = entry;
    this.#set(entry, words, at, file, row);
  }

  #replace(entry: number, words: Int32Array, at: number, file: number, row: number): void {
    this.#kill(this.#entries[entry + FILE] ?? 0, this.#entries[entry + POSITION] ?? 0);
    this.#set(entry, words, at, file, row);
  }

  #set(entry: number, words: Int32Array, at: number, file: number, row: number): void {
    this.#entries[entry + FILE] = file;
    this.#entries[entry + POSITION] = row;
    for (let word = 0; word < PLACE_WORDS; word += 1) {
      this.#entries[entry + ENTRY_PLACE + word] = words[at + PLACE + word] ?? 0;
    }
  }
}
