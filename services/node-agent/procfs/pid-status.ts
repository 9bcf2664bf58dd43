// Parses /proc/<pid>/status (fs/proc/array.c proc_pid_status): a process's owner and capabilities, and its
// name and parent if its stat is missing.

/** The fields of a process's status that are used; null if the text lacks them. */
interface PidStatus {
  /** comm, with newline and backslash unescaped. */
  readonly name: string | null;
  readonly parentPid: number | null;
  /** Real user id. */
  readonly uid: number | null;
  /** Effective capabilities, one bit each (include/uapi/linux/capability.h). */
  readonly capabilities: bigint | null;
}

/** Parses the file's text; a malformed line counts as missing. */
export function parsePidStatus(text: string): PidStatus {
  const name = /^Name:\t(.*)$/m.exec(text)?.[1];
  const capabilities = /^CapEff:\t([0-9a-f]{1,16})$/m.exec(text)?.[1];
  return {
    name:
      name === undefined
        ? null
        : name.replaceAll(/\\([n\\])/g, (_, escaped) => (escaped === "n" ? "\n" : "\\")),
    parentPid: decimal(/^PPid:\t(\d{1,10})$/m.exec(text)?.[1]),
    uid: decimal(/^Uid:\t(\d{1,10})\t/m.exec(text)?.[1]),
    capabilities: capabilities === undefined ? null : BigInt(`0x${capabilities}`),
  };
}

function decimal(digits: string | undefined): number | null {
  return digits === undefined || Number(digits) > 0xffffffff ? null : Number(digits);
}
