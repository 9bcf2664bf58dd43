// How an agent detects that sockets were destroyed, as coverage reports it.

/**
 * All ways, the best first: the kernel's events, entries in TIME_WAIT, or none. Coverage of a node and of a
 * network namespace has one of them.
 */
export const destroyedModes = ["events", "time-wait", "none"] as const;

/** One of destroyedModes. */
export type DestroyedMode = (typeof destroyedModes)[number];

/** The best available way: events if all of them are received, TIME_WAIT entries if sockets are read. */
export function destroyedMode(heard: boolean, read: boolean): DestroyedMode {
  if (heard) return "events";
  return read ? "time-wait" : "none";
}
