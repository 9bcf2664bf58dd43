// Counts the entries of a network namespace's conntrack table from its statistics
// (/proc/<pid>/net/stat/nf_conntrack): a hundredth of the cost of walking the table.

import { closeSync, openSync, readSync } from "node:fs";

const countBytes = Buffer.alloc(512);

/**
 * Returns the number of entries in the table of a process's namespace; `directory` is the process's directory
 * in /proc. Null if the statistics cannot be read.
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
