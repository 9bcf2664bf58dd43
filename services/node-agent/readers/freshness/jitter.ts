// Staggers periodic readings, so that those of all namespaces are not due at once.

/** Returns a part of `span` that depends on an id only: one of `slots` equal steps from 0 to below `span`. */
export function jitter(id: number, slots: number, span: number): number {
  return ((id % slots) * span) / slots;
}
