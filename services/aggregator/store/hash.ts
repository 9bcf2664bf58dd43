// Integer hashing for the store's indexes. Multiplication by 2^32 divided by the golden ratio (Knuth, TAOCP 6.4) spreads
// consecutive slot numbers; the shifts bring the high bits down to where the buckets are chosen.

/** A hash that also depends on one more value. */
export function mixHash(hash: number, value: number): number {
  const mixed = Math.imul(hash ^ value, 0x9e3779b1);
  return mixed ^ (mixed >>> 15);
}

/** 64 bits in 16 hexadecimal digits from two 32-bit hashes. */
export function hexOfHashes(high: number, low: number): string {
  return (high >>> 0).toString(16).padStart(8, "0") + (low >>> 0).toString(16).padStart(8, "0");
}
