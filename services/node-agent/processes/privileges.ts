// Checks what this process may see of others, and turns what it may not see into sentences that say what to
// do, from the names of capabilities and mount options.

import { parsePidStatus } from "../procfs/pid-status.ts";
import { readText } from "./small-file.ts";

const CAP_SYS_PTRACE = 19n;

/** Returns whether capabilities allow this process to read the namespaces and file descriptors of others. */
export function mayReadOthers(): boolean {
  const status = readText("/proc/self/status");
  const capabilities = "text" in status ? parsePidStatus(status.text).capabilities : null;
  return capabilities !== null && ((capabilities >> CAP_SYS_PTRACE) & 1n) === 1n;
}

/** Returns a sentence for something of other processes that could not be read. */
export function deniedSentence(what: string, mayRead: boolean): string {
  return mayRead
    ? `${what} cannot be read despite the capability SYS_PTRACE: a security module forbids it (AppArmor: run unconfined), or they belong to another user namespace`
    : `${what} cannot be read: run as root`;
}

/** Returns a sentence if the /proc that is read hides other users' processes from this one, else null. */
export function hidepidSentence(procRoot: string, mountinfo: string, mayRead: boolean): string | null {
  if (mayRead) return null;
  const option = hidepidOption(procRoot, mountinfo);
  return option === null
    ? null
    : `${procRoot} is mounted with hidepid=${option}, which hides the processes of other users: run as root`;
}

/**
 * Returns the hidepid option of the proc mount at procRoot from the text of /proc/self/mountinfo; null if it
 * hides nothing.
 */
export function hidepidOption(procRoot: string, mountinfo: string): string | null {
  let found: string | null = null;
  for (const line of mountinfo.split("\n")) {
    // proc(5): id parent device root mount-point options optional-fields - type source super-options
    const [mount, filesystem] = line.split(" - ");
    const mountPoint = mount?.split(" ")[4];
    const [type, , superOptions] = filesystem?.split(" ") ?? [];
    if (type !== "proc" || mountPoint !== procRoot) continue;
    const option = /(?:^|,)hidepid=([^,]+)/.exec(superOptions ?? "")?.[1] ?? null;
    // Of several mounts at one place only the last one is visible. 0 and off hide nothing; 1 (noaccess) hides
    // the contents.
    found = option === "0" || option === "off" ? null : option;
  }
  return found;
}
