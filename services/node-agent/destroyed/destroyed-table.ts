// Sockets that were destroyed since they were last asked for, in columns: what the kernel's announcements
// become before they are merged with a pass. An event makes no object.

import { SocketTable } from "../../../lib/socket-table.ts";
import { DestroyedColumns } from "../gen/destroyed-columns.ts";

/** The place of an event whose network namespace is not known yet. */
export const UNPLACED = 0;

/**
 * Whether the bytes that a socket received may have a FIN among them: its last state would tell, but by the
 * time that it is destroyed that is CLOSE for all.
 */
export const MaybeFin = {
  no: 0,
  /** If it had accepted the connection: its own FIN was acknowledged then. */
  ofServer: 1,
  ofAnyone: 2,
} as const;

/** Destroyed sockets in the order in which the kernel announced them. */
export class DestroyedTable extends DestroyedColumns {
  /** Tuple, cookie and counters; firstSeen is the tick in which the event came, namespace means nothing. */
  readonly sockets: SocketTable;

  constructor(capacity = 256) {
    super(capacity);
    this.sockets = new SocketTable(capacity);
  }

  /** Inodes of the network namespaces that events are of. */
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

  /** Makes room for one more event; returns its row, or -1 where DESTROYED_EVENTS_MAX is reached. */
  override append(place: number, nsid: number, maybeFin: number = MaybeFin.no): number {
    const row = super.append(place, nsid, maybeFin);
    if (row >= 0) this.sockets.append();
    return row;
  }

  /** Appends another table's row; returns its index, or -1 where there is no room. */
  override appendRow(from: DestroyedTable, fromRow: number): number {
    const row = super.appendRow(from, fromRow);
    if (row >= 0) this.sockets.copyRow(row, from.sockets, fromRow);
    return row;
  }

  /** Forgets all events, keeping the memory. */
  override clear(): void {
    super.clear();
    this.sockets.clear();
  }
}
