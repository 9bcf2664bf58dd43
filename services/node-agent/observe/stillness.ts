// Whether the processes of a pass leave everything about its sockets as the pass before found it.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { ProcessScan } from "../observation.ts";

/**
 * Whether the network namespaces are the same, with the same processes in each but the node's own, and every
 * process that holds a socket is what it was. What else came and went holds nothing.
 */
export function areProcessesStill(
  before: ProcessScan,
  now: ProcessScan,
  holding: Iterable<ProcessInfo>,
): boolean {
  if (before.namespaces.length !== now.namespaces.length) return false;
  for (const [place, { inode, host, pids }] of now.namespaces.entries()) {
    const other = before.namespaces[place]!;
    if (other.inode !== inode || other.host !== host) return false;
    // Whose a namespace is hangs on who is in it; the node's own is nobody's.
    if (!host && !isSameList(other.pids, pids)) return false;
  }
  for (const { pid } of holding) if (before.processes.get(pid) !== now.processes.get(pid)) return false;
  return true;
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, place) => value === b[place]);
}
