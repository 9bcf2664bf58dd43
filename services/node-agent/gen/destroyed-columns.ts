// Generated from services/node-agent/destroyed/destroyed.columns.ts by scripts/generate-tables.ts: do not edit.

/**
 * Destroyed sockets that wait for a pass at most: 117 bytes each with the socket's row, so 31 MB; six seconds
 * at 20,000 connections a second, both ends of which are on the node. A pass is asked for when half of them
 * wait; what overflows is counted. So many take 2 MB.
 */
export const DESTROYED_EVENTS_MAX = 262144;

/**
 * What the kernel's announcements say of destroyed sockets beyond the sockets themselves. A row takes 9
 * bytes.
 */
export class DestroyedColumns {
  /** Rows in use. */
  length = 0;
  /** Inode of the network namespace, or UNPLACED. */
  place: Uint32Array;
  /**
   * The namespace's id in the namespace of the socket that heard of it: what an unplaced event is placed by.
   */
  nsid: Int32Array;
  /** Whether the bytes received may have a FIN among them, as MaybeFin has it. */
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
