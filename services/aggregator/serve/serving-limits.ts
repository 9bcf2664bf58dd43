// What all callers of the query API may take together, and each of them.

/** Limits of the query API. */
export interface ServingLimits {
  /** Calls that run at a time. */
  readonly callsMax: number;
  /** Calls of one caller that run at a time. */
  readonly callsPerCallerMax: number;
  /** Bytes of answers in memory: encoded and not yet taken by their readers. */
  readonly bytesMax: number;
  /** A reader that takes nothing of what waits for it for this long is dropped, in milliseconds. */
  readonly readerTimeoutMs: number;
}

/**
 * The defaults fit a container of 1 GiB, whose JavaScript heap is 560 MiB. 1,500 unread streams with a full
 * batch each, which gRPC copies once, are 94 MiB beside the heap, and lists of edges may have as much.
 */
export const servingDefaults: ServingLimits = {
  callsMax: 2048,
  callsPerCallerMax: 128,
  bytesMax: 192 * 1024 * 1024,
  readerTimeoutMs: 60_000,
};

/** The largest part of bytesMax that one caller may have. */
export const CALLER_SHARE_MAX = 1 / 4;
/**
 * The part of bytesMax for answers that are made as a whole; the rest is for what streams are ahead of their
 * readers.
 */
export const HELD_SHARE_MAX = 1 / 2;
/** Bytes that a stream is ahead of its reader: more is encoded when HTTP/2 has taken them. */
export const AHEAD_BYTES_MAX = 32 * 1024;
/** Where there is no room left, a reader that took nothing for this long makes room, in milliseconds. */
export const STALLED_MS_MIN = 1000;
/**
 * Callers that were refused may ask again after this, in milliseconds: by then stalled readers have made
 * room.
 */
export const RETRY_MS = 2000;
/** Connections at a time: twice the calls, since a connection may be idle between two. */
export const CONNECTIONS_PER_CALL = 2;
