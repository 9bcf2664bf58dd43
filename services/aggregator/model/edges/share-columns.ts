// What each connection contributes to its edge: 21 bytes per connection. Private to EdgeCounts.

import { CONNECTIONS_MAX } from "../../gen/connection-columns.ts";
import { columnInPlace, FIRST_ROWS, grownColumn, growInPlace, nextCapacity } from "../storage/capacity.ts";

/** Columns of shares, by connection. */
export class ShareColumns {
  /** Slot of the edge that counts the connection, or -1. */
  edge = new Int32Array(FIRST_ROWS).fill(-1);
  /** What the edge counts the connection as: bits of Counted, and its outcome. */
  counted = new Uint8Array(FIRST_ROWS);
  /** Bytes of the connection that its edge has counted. */
  readonly toServer = columnInPlace(Float64Array, CONNECTIONS_MAX);
  readonly toClient = columnInPlace(Float64Array, CONNECTIONS_MAX);

  /** Makes room for a connection. Unused rows have no edge, and zeros. */
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
