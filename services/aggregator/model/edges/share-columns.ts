// What each connection adds to its edge: 21 bytes a connection. EdgeTable holds them, and nobody else sees
// them.

import { CONNECTIONS_MAX } from "../../gen/connection-columns.ts";
import { columnInPlace, FIRST_ROWS, grownColumn, growInPlace, nextCapacity } from "../storage/capacity.ts";

/** Columns of shares, by connection. */
export class ShareColumns {
  /** Slot of the edge that counts the connection, or -1. */
  edge = new Int32Array(FIRST_ROWS).fill(-1);
  /** What the edge counts the connection as: bits of Counted, and its outcome. */
  counted = new Uint8Array(FIRST_ROWS);
  /** Bytes of the connection that its edge has added up. */
  readonly toServer = columnInPlace(Float64Array, CONNECTIONS_MAX);
  readonly toClient = columnInPlace(Float64Array, CONNECTIONS_MAX);

  /** Makes room for a connection. Rows that are not in use have no edge, and zeros. */
  reserve(connection: number): void {
    while (connection >= this.edge.length) {
      const { length } = this.edge;
      const capacity = nextCapacity(length, CONNECTIONS_MAX);
      this.edge = grownColumn(this.edge, capacity).fill(-1, length);
      this.counted = grownColumn(this.counted, capacity);
    }
    while (connection >= this.toServer.length) growInPlace([this.toServer, this.toClient], CONNECTIONS_MAX);
  }
}
