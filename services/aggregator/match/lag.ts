// How far apart in time two witnesses of one conversation may be.

/**
 * How far the times of two nodes may deviate, in milliseconds: ends whose lives are this far apart may still
 * be peers. Times are of the stream's clock, so it covers what a report takes to get into the stream.
 */
export const LAG_MS = 10_000;
