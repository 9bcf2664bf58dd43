// Whether a directory is the /proc of the kernel that runs here, rather than a saved tree or another
// machine's: what the kernel is asked directly must be about the same machine.

import { readText } from "../processes/small-file.ts";

/** The boot id below a /proc; empty where it does not tell, as in a saved tree. */
export function bootId(procRoot: string): string {
  const read = readText(`${procRoot}/sys/kernel/random/boot_id`);
  return "text" in read ? read.text.trim() : "";
}

/** True where both have the same boot id. */
export function isLiveProc(procRoot: string): boolean {
  const own = bootId("/proc");
  return own !== "" && own === bootId(procRoot);
}
