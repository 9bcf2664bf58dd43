// Rows read from a namespace, kept for passes that need not read it again.

import { isClosing } from "../../../../lib/vocabulary/states.ts";
import type { FamilySocket } from "../../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../../lib/socket-table.ts";
import type { SocketSink } from "../../observation.ts";

/** Maximum internet sockets that are kept of one namespace (2 MB); one with more is never quiet. */
const KEPT_ROWS_MAX = 2 ** 14;

/** Kept rows of one namespace. */
export class KeptRows {
  readonly #sockets: SocketTable;
  readonly #familySockets: readonly FamilySocket[];

  private constructor(sockets: SocketTable, familySockets: readonly FamilySocket[]) {
    this.#sockets = sockets;
    this.#familySockets = familySockets;
  }

  /**
   * Copies the rows of a sink from `row` and its family sockets from `familyRow` on; null if there are too
   * many.
   */
  static of({ sockets, familySockets }: SocketSink, row: number, familyRow: number): KeptRows | null {
    const count = sockets.length - row;
    if (count > KEPT_ROWS_MAX) return null;
    return new KeptRows(tableOf(sockets, row), familySockets.slice(familyRow));
  }

  /**
   * Puts the objects of an earlier reading in place of those family sockets of a sink, from `familyRow` on,
   * that are equal: the same object shows that a socket did not change.
   */
  keepUnchanged({ familySockets }: SocketSink, familyRow: number): void {
    for (const [place, kept] of this.#familySockets.entries()) {
      const at = familyRow + place;
      if (at < familySockets.length && isUnchanged(kept, familySockets[at]!)) familySockets[at] = kept;
    }
  }

  /**
   * Appends everything to a sink, except internet sockets for whose inode `isLeftOut` returns true. Returns
   * how many did not fit. Family sockets are the same objects as before, which shows that they did not change.
   */
  append(sink: SocketSink, namespaceId: number, isLeftOut: ((inode: number) => boolean) | null): number {
    const { sockets, familySockets } = sink;
    const first = sockets.length;
    let overflowed = 0;
    if (this.#sockets.length === 0) {
      // Most namespaces have no such sockets: do not even touch the columns.
    } else if (isLeftOut === null) {
      overflowed = this.#sockets.length - sockets.appendRows(this.#sockets, 0, this.#sockets.length);
    } else {
      for (let row = 0; row < this.#sockets.length; row++) {
        const inode = this.#sockets.inode[row]!;
        if ((inode === 0 || !isLeftOut(inode)) && sockets.appendRow(this.#sockets, row) < 0) overflowed++;
      }
    }
    sockets.namespace.fill(namespaceId, first, sockets.length);
    for (const socket of this.#familySockets) familySockets.push(socket);
    return overflowed;
  }

  /** Number of internet sockets. */
  get length(): number {
    return this.#sockets.length;
  }

  /** Whether a connection waits for accept(), which assigns it an inode without moving a counter. */
  get waitsForAccept(): boolean {
    const { inode, state, length } = this.#sockets;
    for (let row = 0; row < length; row++) if (inode[row] === 0 && !isClosing(state[row]!)) return true;
    return false;
  }
}

// A table has some thirty arrays, and most namespaces have nothing to keep.
const NOTHING = new SocketTable(1);

function tableOf(sockets: SocketTable, row: number): SocketTable {
  const count = sockets.length - row;
  if (count === 0) return NOTHING;
  const table = new SocketTable(count);
  table.appendRows(sockets, row, sockets.length);
  return table;
}

// Whether two readings of a socket are equal; its id and when it was first seen are given to it later.
function isUnchanged(kept: FamilySocket, read: FamilySocket): boolean {
  for (const field in read) {
    const name = field as keyof FamilySocket;
    if (name !== "id" && name !== "firstSeen" && kept[name] !== read[name]) return false;
  }
  return true;
}
