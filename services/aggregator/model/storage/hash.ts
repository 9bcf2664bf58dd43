// Integer hashing for the tables' indexes.

import { mixWord, spread } from "../../../../lib/hash.ts";

/** A hash that also depends on one more value; its low bits are fit to choose a bucket. */
export function mixHash(hash: number, value: number): number {
  return spread(mixWord(hash, value));
}

/** 64 bits in 16 hexadecimal digits from two 32-bit hashes. */
export function hexOfHashes(high: number, low: number): string {
  return (high >>> 0).toString(16).padStart(8, "0") + (low >>> 0).toString(16).padStart(8, "0");
}
