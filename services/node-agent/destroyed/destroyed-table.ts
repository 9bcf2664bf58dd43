// Sockets that were destroyed since they were last asked for, in columns: what the kernel's announcements become before
// they are merged with a pass. An event makes no object.

import { SocketTable } from "../../../lib/socket-table.ts";

/**
 * Destroyed sockets that wait for a pass at most: 131 bytes each, so 34 MB; six seconds at 20,000 connections a second,
 * both ends of which are on the node. A pass is asked for when half of them wait; what overflows is counted.
 */
export const DESTROYED_EVENTS_MAX = 2 ** 18;

/** The place of an event whose network namespace is not known yet. */
export const UNPLACED = 0;

/**
 * Whether the bytes that a socket received may have a FIN among them: its last state would tell, but by the time that it
 * is destroyed that is CLOSE for all.
 */
export const MaybeFin = {
  no: 0,
  /** If it had accepted the connection: its own FIN was acknowledged then. */
  ofServer: 1,
  ofAnyone: 2,
} as const;

/** Destroyed sockets in the order in which the kernel told of them. */
export class DestroyedTable {
  /** Tuple, cookie and counters; firstSeen is the tick in which the event came, namespace means nothing. */
  readonly sockets: SocketTable;
  /** Inode of the network namespace, or UNPLACED. */
  place: Uint32Array;
  /** The namespace's id in the socket's that heard of it: what an unplaced event is placed by. */
  nsid: Int32Array;
  /** Whether the bytes received may have a FIN among them, as MaybeFin has it. */
  maybeFin: Uint8Array;

  constructor(capacity = 256) {
    this.sockets = new SocketTable(capacity);
    this.place = new Uint32Array(capacity);
    this.nsid = new Int32Array(capacity);
    this.maybeFin = new Uint8Array(capacity);
  }

  get length(): number {
    return this.sockets.length;
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

  /** Makes room for one more event; gives its row, or -1 where DESTROYED_EVENTS_MAX is reached. */
  append(place: number, nsid: number): number {
    if (this.sockets.length >= DESTROYED_EVENTS_MAX) return -1;
    const row = this.sockets.append();
    if (row >= this.place.length) this.#grow();
    this.place[row] = place;
    this.nsid[row] = nsid;
    this.maybeFin[row] = 0;
    return row;
  }

  /** Appends another table's row; false where there is no room. */
  appendRow(from: DestroyedTable, fromRow: number): boolean {
    const row = this.append(from.place[fromRow]!, from.nsid[fromRow]!);
    if (row < 0) return false;
    this.sockets.copyRow(row, from.sockets, fromRow);
    this.maybeFin[row] = from.maybeFin[fromRow]!;
    return true;
  }

  #grow(): void {
    const { capacity } = this.sockets;
    const place = new Uint32Array(capacity);
    place.set(this.place);
    this.place = place;
    const nsid = new Int32Array(capacity);
    nsid.set(this.nsid);
    this.nsid = nsid;
    const maybeFin = new Uint8Array(capacity);
    maybeFin.set(this.maybeFin);
    this.maybeFin = maybeFin;
  }
}
