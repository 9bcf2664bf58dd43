// Sockets that were destroyed since the last call, in columns, before they are merged with a pass. An event
// creates no object.

import { SocketTable } from "../../../lib/socket-table.ts";
import { DestroyedColumns } from "../gen/destroyed-columns.ts";

/** The place of an event whose network namespace is unknown. */
export const UNPLACED = 0;

/**
 * Whether the bytes that a socket received may include a FIN: its last state would show that, but a destroyed
 * socket's state is always CLOSE.
 */
export const MaybeFin = {
  no: 0,
  /** If it accepted the connection: its own FIN was acknowledged then. */
  ofServer: 1,
  ofAnyone: 2,
} as const;

/** Destroyed sockets in the order in which the kernel announced them. */
export class DestroyedTable extends DestroyedColumns {
  /** Tuple, cookie and counters; firstSeen is the tick of the event's arrival, namespace is unused. */
  readonly sockets: SocketTable;

  constructor(capacity = 256) {
    super(capacity);
    this.sockets = new SocketTable(capacity);
  }

  /** Inodes of the network namespaces of the events. */
  places(): Set<number> {
    const places = new Set<number>();
    let last = UNPLACED;
    for (let row = 0; row < this.length; row++) {
      const place = this.place[row]!;
      if (place !== last && place !== UNPLACED) places.add(place);
      last = place;
    }
    return places;
  }

  /** Appends an event; returns its row, or -1 if DESTROYED_EVENTS_MAX is reached. */
  override append(place: number, nsid: number, maybeFin: number = MaybeFin.no): number {
    const row = super.append(place, nsid, maybeFin);
    if (row >= 0) this.sockets.append();
    return row;
  }

  /** Appends another table's row; returns its index, or -1 if there is no room. */
  override appendRow(from: DestroyedTable, fromRow: number): number {
    const row = super.appendRow(from, fromRow);
    if (row >= 0) this.sockets.copyRow(row, from.sockets, fromRow);
    return row;
  }

  /** Removes all events, keeping the memory. */
  override clear(): void {
    super.clear();
    this.sockets.clear();
  }
}
