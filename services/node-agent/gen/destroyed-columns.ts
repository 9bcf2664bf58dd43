// Generated from services/node-agent/destroyed/destroyed.columns.ts by scripts/generate-tables.ts: do not edit.

/**
 * Maximum destroyed sockets that wait for a pass: 117 bytes each with the socket's row, so 31 MB; six seconds
 * at 20,000 connections a second with both ends on the node. Half of them trigger a pass; overflows are
 * counted. So many take 2 MB.
 */
export const DESTROYED_EVENTS_MAX = 262144;

/**
 * Columns of the kernel's announcements of destroyed sockets besides those of the sockets themselves. A row
 * takes 9 bytes.
 */
export class DestroyedColumns {
  /** Rows in use. */
  length = 0;
  /** Inode of the network namespace, or UNPLACED. */
  place: Uint32Array;
  /**
   * The namespace's id in the namespace of the netlink socket that received the event; used to place an
   * unplaced event.
   */
  nsid: Int32Array;
  /** Whether the received bytes may include a FIN, as MaybeFin. */
  maybeFin: Uint8Array;

  constructor(capacity = 256) {
    this.place = new Uint32Array(capacity);
    this.nsid = new Int32Array(capacity);
    this.maybeFin = new Uint8Array(capacity);
  }

  /** Rows that fit before the columns must grow. */
  get capacity(): number {
    return this.place.length;
  }

  /** Appends a row; returns its index, or -1 if DESTROYED_EVENTS_MAX is reached. */
  append(place: number, nsid: number, maybeFin: number): number {
    const row = this.length;
    if (row === this.capacity) {
      if (row >= DESTROYED_EVENTS_MAX) return -1;
      this.#grow();
    }
    this.place[row] = place;
    this.nsid[row] = nsid;
    this.maybeFin[row] = maybeFin;
    return this.length++;
  }

  /** Appends a copy of another table's row; returns its index, or -1 if the table is full. */
  appendRow(from: DestroyedColumns, fromRow: number): number {
    return this.append(from.place[fromRow]!, from.nsid[fromRow]!, from.maybeFin[fromRow]!);
  }

  /** Copies one row of another table over a row of this one. */
  copyRow(row: number, from: DestroyedColumns, fromRow: number): void {
    this.place[row] = from.place[fromRow]!;
    this.nsid[row] = from.nsid[fromRow]!;
    this.maybeFin[row] = from.maybeFin[fromRow]!;
  }

  /** Removes all rows, keeping the memory. */
  clear(): void {
    this.length = 0;
  }

  #grow(): void {
    const capacity = Math.min(DESTROYED_EVENTS_MAX, Math.max(1, this.capacity * 2));
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
