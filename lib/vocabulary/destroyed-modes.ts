// How an agent learns that sockets were destroyed, as coverage says it.

/**
 * Every way, the best first: the kernel's events, entries in TIME_WAIT, or none. Coverage of a node and of a
 * network namespace has one of them.
 */
export const destroyedModes = ["events", "time-wait", "none"] as const;

/** One of destroyedModes. */
export type DestroyedMode = (typeof destroyedModes)[number];

/** The best way that is open: events where all of them are heard, TIME_WAIT entries where sockets are read. */
export function destroyedMode(heard: boolean, read: boolean): DestroyedMode {
  if (heard) return "events";
  return read ? "time-wait" : "none";
}
