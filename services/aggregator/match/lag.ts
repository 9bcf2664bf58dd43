// How far apart in time two witnesses of one conversation may be.

/**
 * Milliseconds by which reports of two nodes may lag behind each other: ends seen this far apart may still be
 * peers.
 */
export const LAG_MS = 10_000;
