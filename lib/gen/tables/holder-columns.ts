// Generated from lib/tables/holder.columns.ts by scripts/generate-tables.ts: do not edit.

import type { TableColumns } from "../../table-codec.ts";

/** Maximum holder rows of one node: 2^22; the appending code counts overflows. So many take 50 MB. */
export const HOLDER_ROWS_MAX = 4194304;

/**
 * One row per (socket, process, file descriptor); the rows of a socket are adjacent. A row takes 12 bytes.
 */
export class HolderColumns {
  /** Rows in use. */
  length = 0;
  /** Id of the socket. */
  socket: Uint32Array;
  /** Id of the process. */
  process: Uint32Array;
  /** Number of the file descriptor. */
  fd: Uint32Array;

  constructor(capacity = 256) {
    this.socket = new Uint32Array(capacity);
    this.process = new Uint32Array(capacity);
    this.fd = new Uint32Array(capacity);
  }

  /** Rows that fit before the columns must grow. */
  get capacity(): number {
    return this.socket.length;
  }

  /** Appends a row; returns its index, or -1 if HOLDER_ROWS_MAX is reached. */
  append(socket: number, process: number, fd: number): number {
    const row = this.length;
    if (row === this.capacity) {
      if (row >= HOLDER_ROWS_MAX) return -1;
      this.#grow();
    }
    this.socket[row] = socket;
    this.process[row] = process;
    this.fd[row] = fd;
    return this.length++;
  }

  /** Appends a copy of another table's row; returns its index, or -1 if the table is full. */
  appendRow(from: HolderColumns, fromRow: number): number {
    return this.append(from.socket[fromRow]!, from.process[fromRow]!, from.fd[fromRow]!);
  }

  /** Copies one row of another table over a row of this one. */
  copyRow(row: number, from: HolderColumns, fromRow: number): void {
    this.socket[row] = from.socket[fromRow]!;
    this.process[row] = from.process[fromRow]!;
    this.fd[row] = from.fd[fromRow]!;
  }

  /** Removes all rows, keeping the memory. */
  clear(): void {
    this.length = 0;
  }

  #grow(): void {
    const capacity = Math.min(HOLDER_ROWS_MAX, Math.max(1, this.capacity * 2));
    const socket = new Uint32Array(capacity);
    socket.set(this.socket);
    this.socket = socket;
    const process = new Uint32Array(capacity);
    process.set(this.process);
    this.process = process;
    const fd = new Uint32Array(capacity);
    fd.set(this.fd);
    this.fd = fd;
  }
}

/** Bytes of a row on the wire at most: every column, IPv6 addresses. */
export const HOLDER_WIRE_BYTES = 12;

/** Maps columns to the fields of HolderColumns (report.proto). */
export const holderColumns: TableColumns<HolderColumns> = {
  key: [2, "socket"],
  columns: [
    [3, "process"],
    [4, "fd"],
  ],
};
