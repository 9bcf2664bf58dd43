// Whether a directory is the /proc of the kernel that runs here, rather than a saved tree or another machine's: what
// the kernel is asked directly must be about the same machine.

import { readText } from "../processes/small-file.ts";

/** True where both have the same boot id. */
export function isLiveProc(procRoot: string): boolean {
  const own = readText("/proc/sys/kernel/random/boot_id");
  const other = readText(`${procRoot}/sys/kernel/random/boot_id`);
  return "text" in own && "text" in other && own.text.trim() !== "" && own.text === other.text;
}
