// Whether a scan of processes shows that holders and owners of sockets are as in the previous pass.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { ProcessScan } from "../observation.ts";

/**
 * Whether the network namespaces are the same, with the same processes in each except the node's own, and
 * every process that holds a socket is unchanged. Other processes that started or ended hold nothing.
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
    // The owner of a namespace depends on its processes; the node's own has no owner.
    if (!host && !isSameList(other.pids, pids)) return false;
  }
  for (const { pid } of holding) if (before.processes.get(pid) !== now.processes.get(pid)) return false;
  return true;
}

function isSameList(a: readonly number[], b: readonly number[]): boolean {
  return a.length === b.length && a.every((value, place) => value === b[place]);
}
