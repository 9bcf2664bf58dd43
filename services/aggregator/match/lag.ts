// How far apart in time two witnesses of one conversation may be.

/**
 * How far reports of two nodes may lag behind each other, in milliseconds: ends seen this far apart may still
 * be peers.
 */
export const LAG_MS = 10_000;
