/**
 * HalfSipHash-1-3 with 64 bits of output (https://github.com/veorq/SipHash): a keyed hash that needs 32-bit arithmetic only.
 * Session ids come from clients; without the process's random key, one could be made that collides with somebody else's.
 */
import { randomBytes } from "node:crypto";

const KEY = new Uint32Array(new Uint8Array(randomBytes(8)).buffer);
const K0 = (KEY[0] ?? 0) | 0;
const K1 = (KEY[1] ?? 0) | 0;

/** The two halves of the hash. Reused by each call. */
export const hashed = { high: 0, low: 0 };

/** Hashes the first `count` words, into `hashed`. */
export function hash(words: Int32Array, count: number): void {
  let v0 = K0;
  let v1 = K1 ^ 0xee;
  let v2 = 0x6c796765 ^ K0;
  let v3 = 0x74656462 ^ K1;
  for (let at = 0; at <= count; at += 1) {
    // Last the length, so that words and the same words with zeros after them differ.
    const word = at === count ? count | 0 : (words[at] ?? 0);
    v3 ^= word;
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    v0 ^= word;
  }
  v2 ^= 0xee;
  for (let round = 0; round < 6; round += 1) {
    v0 = (v0 + v1) | 0;
    v1 = ((v1 << 5) | (v1 >>> 27)) ^ v0;
    v0 = (v0 << 16) | (v0 >>> 16);
    v2 = (v2 + v3) | 0;
    v3 = ((v3 << 8) | (v3 >>> 24)) ^ v2;
    v0 = (v0 + v3) | 0;
    v3 = ((v3 << 7) | (v3 >>> 25)) ^ v0;
    v2 = (v2 + v1) | 0;
    v1 = ((v1 << 13) | (v1 >>> 19)) ^ v2;
    v2 = (v2 << 16) | (v2 >>> 16);
    if (round === 2) {
      hashed.high = v1 ^ v3;
      v1 ^= 0xdd;
    }
  }
  hashed.low = v1 ^ v3;
}
