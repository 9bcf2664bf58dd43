// How many entries a network namespace's conntrack table has, by its statistics
// (/proc/<pid>/net/stat/nf_conntrack): a hundredth of what walking through the table costs.

import { closeSync, openSync, readSync } from "node:fs";

const countBytes = Buffer.alloc(512);

/**
 * Entries of the table of the namespace that the process is in whose directory below /proc this is; null where
 * there are no statistics to read.
 */
export function countEntries(directory: string): number | null {
  let descriptor;
  try {
    descriptor = openSync(`${directory}/net/stat/nf_conntrack`, "r");
  } catch {
    return null;
  }
  try {
    const text = countBytes.toString("latin1", 0, readSync(descriptor, countBytes));
    const entries = Number.parseInt(text.slice(text.indexOf("\n") + 1), 16);
    return Number.isNaN(entries) ? null : entries;
  } catch {
    return null;
  } finally {
    closeSync(descriptor);
  }
}
