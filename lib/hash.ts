// Hash functions on 32-bit numbers for indexes in typed arrays. No hash leaves the process.

/** 2^32 divided by the golden ratio (Knuth, TAOCP 6.4): multiplying by it spreads consecutive numbers. */
const GOLDEN = 0x9e3779b1;

/**
 * Mixes one number into a hash. Differences in the number's high bits affect only the hash's high bits;
 * spread() moves them down.
 */
export function mixWord(hash: number, word: number): number {
  return Math.imul(hash ^ word, GOLDEN);
}

/** Mixes words of an array into a hash. */
export function mixWords(hash: number, words: Uint32Array, from: number, to: number): number {
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ words[i]!, GOLDEN);
  return hash;
}

/** Folds the high bits of a hash into the low bits, which choose the bucket. */
export function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}

/**
 * Mixes one number into a hash that can choose a bucket: mixWord() and spread() in one call, for hot paths.
 */
export function mixHash(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, GOLDEN);
  return mixed ^ (mixed >>> 15);
}

/** Returns the slot of a number (an inode) in a table of `mask` + 1 slots, a power of two up to 2^25. */
export function slotOf(number: number, mask: number): number {
  return (Math.imul(number, GOLDEN) >>> 7) & mask;
}

/** Hashes three numbers; each bit depends on all three (murmur3's constants), so hashes may be summed. */
export function hashOfThree(a: number, b: number, c: number): number {
  let hash = Math.imul(a ^ 0x2545f491, GOLDEN);
  hash = Math.imul((hash ^ (hash >>> 15)) + b, 0x85ebca6b);
  hash = Math.imul((hash ^ (hash >>> 13)) + c, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
