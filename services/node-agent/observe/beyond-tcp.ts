// Whether internet sockets other than TCP opened or closed between two passes. For TCP, events report that
// without a pass.

import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";

/** The part of the result of settling ids that is needed here. */
interface SettledRows {
  /** 1 for each row of the previous pass that continues; null if all do. */
  readonly continued: Uint8Array | null;
  /** Ids of the rows of this pass that are new. */
  readonly added: ReadonlySet<number>;
}

/** Whether a socket of another protocol than TCP opened or closed between two passes. */
export function hasMovedBeyondTcp(
  previous: SocketTable,
  next: SocketTable,
  { continued, added }: SettledRows,
): boolean {
  if (continued === null) return false;
  for (let row = 0; row < previous.length; row++)
    if (continued[row] === 0 && previous.protocol[row] !== Protocol.tcp) return true;
  if (added.size === 0) return false;
  for (let row = 0; row < next.length; row++)
    if (next.protocol[row] !== Protocol.tcp && added.has(next.id[row]!)) return true;
  return false;
}
