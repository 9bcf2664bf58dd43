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
    const table = new SocketTable(Math.max(1, count));
    table.appendRows(sockets, row, sockets.length);
    return new KeptRows(table, familySockets.slice(familyRow));
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
