// What was read of a namespace, kept for the passes in which it need not be read again.

import { isClosing } from "../../../../lib/vocabulary/states.ts";
import type { FamilySocket } from "../../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../../lib/socket-table.ts";
import type { SocketSink } from "../../observation.ts";

/** Internet sockets of one namespace that are kept at most (2 MB): one that has more is never quiet. */
const KEPT_ROWS_MAX = 2 ** 14;

/** Rows of one namespace. */
export class KeptRows {
  readonly #sockets: SocketTable;
  readonly #familySockets: readonly FamilySocket[];

  private constructor(sockets: SocketTable, familySockets: readonly FamilySocket[]) {
    this.#sockets = sockets;
    this.#familySockets = familySockets;
  }

  /**
   * Copies what a sink holds from some row and some family socket on; null where that is more than is kept.
   */
  static of({ sockets, familySockets }: SocketSink, row: number, familyRow: number): KeptRows | null {
    const count = sockets.length - row;
    if (count > KEPT_ROWS_MAX) return null;
    const table = new SocketTable(Math.max(1, count));
    table.appendRows(sockets, row, sockets.length);
    return new KeptRows(table, familySockets.slice(familyRow));
  }

  /**
   * Appends everything to a sink, but for internet sockets that `isLeftOut` says: gives how many found no
   * place. The objects of family sockets are the same ones again, which says that nothing about them changed.
   */
  append(sink: SocketSink, namespaceId: number, isLeftOut: ((inode: number) => boolean) | null): number {
    const { sockets, familySockets } = sink;
    const first = sockets.length;
    let overflowed = 0;
    if (this.#sockets.length === 0) {
      // Most namespaces have no such sockets: not even the columns are touched.
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

  /** Internet sockets. */
  get length(): number {
    return this.#sockets.length;
  }

  /** Whether a connection waits for accept(), which gives it an inode and moves no counter. */
  get waitsForAccept(): boolean {
    const { inode, state, length } = this.#sockets;
    for (let row = 0; row < length; row++) if (inode[row] === 0 && !isClosing(state[row]!)) return true;
    return false;
  }
}
