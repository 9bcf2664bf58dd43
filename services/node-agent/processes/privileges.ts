// What this process may see of others, and sentences for what it may not: where the names of capabilities and
// mount options become something to do.

import { parsePidStatus } from "../procfs/pid-status.ts";
import { readText } from "./small-file.ts";

const CAP_SYS_PTRACE = 19n;

/** Whether this process may read namespaces and file descriptors of others as far as capabilities go. */
export function mayReadOthers(): boolean {
  const status = readText("/proc/self/status");
  const capabilities = "text" in status ? parsePidStatus(status.text).capabilities : null;
  return capabilities !== null && ((capabilities >> CAP_SYS_PTRACE) & 1n) === 1n;
}

/** A sentence for something of other processes that could not be read. */
export function deniedSentence(what: string, mayRead: boolean): string {
  return mayRead
    ? `${what} cannot be read in spite of the capability SYS_PTRACE: a security module forbids it (AppArmor: run unconfined), or they are of another user namespace`
    : `${what} cannot be read: run as root`;
}

/**
 * A sentence where the /proc that is read hides other users' processes from this one; null where it does not.
 */
export function hidepidSentence(procRoot: string, mountinfo: string, mayRead: boolean): string | null {
  if (mayRead) return null;
  const option = hidepidOption(procRoot, mountinfo);
  return option === null
    ? null
    : `${procRoot} is mounted with hidepid=${option}, which hides the processes of other users: run as root`;
}

/**
 * The hidepid option of the proc mount at procRoot in the text of /proc/self/mountinfo; null where it hides
 * nothing.
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
    // Of several mounts at one place the last one is seen. 0 and off hide nothing; 1 (noaccess) hides the
    // contents.
    found = option === "0" || option === "off" ? null : option;
  }
  return found;
}
