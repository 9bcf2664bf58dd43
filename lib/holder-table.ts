// Which process holds which socket, in columns: the form in which observations keep it and reports carry it.

/** Holder rows that one node has at most: 2^22 (50 MB); what overflows is counted by who appends. */
export const HOLDER_ROWS_MAX = 2 ** 22;

/** One row per (socket, process, file descriptor); the rows of a socket are adjacent. */
export class HolderTable {
  /** Rows in use. */
  length = 0;
  /** Ids of sockets. */
  socket: Uint32Array;
  /** Ids of processes. */
  process: Uint32Array;
  /** Numbers of file descriptors. */
  fd: Uint32Array;

  constructor(capacity = 256) {
    this.socket = new Uint32Array(capacity);
    this.process = new Uint32Array(capacity);
    this.fd = new Uint32Array(capacity);
  }

  /** Appends a row; false where HOLDER_ROWS_MAX is reached. */
  append(socket: number, process: number, fd: number): boolean {
    const row = this.length;
    if (row === this.socket.length) {
      if (row >= HOLDER_ROWS_MAX) return false;
      this.socket = grown(this.socket);
      this.process = grown(this.process);
      this.fd = grown(this.fd);
    }
    this.socket[row] = socket;
    this.process[row] = process;
    this.fd[row] = fd;
    this.length = row + 1;
    return true;
  }

  /** Forgets all rows, keeping the memory for the next pass. */
  clear(): void {
    this.length = 0;
  }
}

function grown(column: Uint32Array): Uint32Array {
  const larger = new Uint32Array(Math.min(HOLDER_ROWS_MAX, column.length * 2));
  larger.set(column);
  return larger;
}

/** The first row of each socket by its id; -1, or beyond the end, for sockets without rows. */
export function firstRowsBySocket(table: HolderTable): Int32Array {
  let largest = 0;
  for (let row = 0; row < table.length; row++) largest = Math.max(largest, table.socket[row]!);
  const rows = new Int32Array(largest + 1).fill(-1);
  for (let row = table.length - 1; row >= 0; row--) rows[table.socket[row]!] = row;
  return rows;
}
