// Hashing of 32-bit numbers for indexes in typed arrays. None of these hashes leaves the process.

/**
 * 2^32 divided by the golden ratio (Knuth, TAOCP 6.4): multiplying by it spreads numbers that come in
 * sequence.
 */
const GOLDEN = 0x9e3779b1;

/**
 * A hash that depends on one more number. What differs in its high bits only stays there: spread() brings it
 * down.
 */
export function mixWord(hash: number, word: number): number {
  return Math.imul(hash ^ word, GOLDEN);
}

/** A hash that also depends on some words of an array. */
export function mixWords(hash: number, words: Uint32Array, from: number, to: number): number {
  for (let i = from; i < to; i++) hash = Math.imul(hash ^ words[i]!, GOLDEN);
  return hash;
}

/** Brings the high bits of a hash down to where buckets are chosen. */
export function spread(hash: number): number {
  return hash ^ (hash >>> 15);
}

/**
 * A hash that also depends on one more number, fit to choose a bucket: mixWord() and spread(), in one call
 * since it is hot.
 */
export function mixHash(hash: number, word: number): number {
  const mixed = Math.imul(hash ^ word, GOLDEN);
  return mixed ^ (mixed >>> 15);
}

/** The slot of a number (an inode) in a table of `mask` + 1 slots, a power of two up to 2^25. */
export function slotOf(number: number, mask: number): number {
  return (Math.imul(number, GOLDEN) >>> 7) & mask;
}

/** A hash of three numbers in which each bit depends on all of theirs (murmur3's constants): fit for sums. */
export function hashOfThree(a: number, b: number, c: number): number {
  let hash = Math.imul(a ^ 0x2545f491, GOLDEN);
  hash = Math.imul((hash ^ (hash >>> 15)) + b, 0x85ebca6b);
  hash = Math.imul((hash ^ (hash >>> 13)) + c, 0xc2b2ae35);
  return hash ^ (hash >>> 16);
}
