// Checks whether a directory is the /proc of the running kernel rather than a saved tree or another machine's:
// what is asked of the kernel directly must be about the same machine.

import { readText } from "../processes/small-file.ts";

/** Returns the boot id of a proc tree; empty if it has none, as in a saved tree. */
export function bootId(procRoot: string): string {
  const read = readText(`${procRoot}/sys/kernel/random/boot_id`);
  return "text" in read ? read.text.trim() : "";
}

/** Returns whether `procRoot` has the same boot id as /proc. */
export function isLiveProc(procRoot: string): boolean {
  const own = bootId("/proc");
  return own !== "" && own === bootId(procRoot);
}
