// Whether a pass found internet sockets that are not TCP's come or go: of TCP's events report it, without a
// pass.

import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";

/** What settling ids found out of the rows. */
interface SettledRows {
  /** 1 for each row of the pass before that continues; null where all do. */
  readonly continued: Uint8Array | null;
  /** Ids of the rows of this pass that continue nothing. */
  readonly added: ReadonlySet<number>;
}

/** Whether a socket that is not TCP's came or went between two passes. */
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
