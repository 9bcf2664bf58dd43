// Which process holds which socket.

import type { ReportTableSchema } from "./schema.ts";

/** Columns that observations keep and reports carry. */
export const holderTable: ReportTableSchema = {
  name: "HolderColumns",
  doc: "One row per (socket, process, file descriptor); the rows of a socket are adjacent.",
  limit: {
    name: "HOLDER_ROWS_MAX",
    rows: 2 ** 22,
    doc: "Maximum holder rows of one node: 2^22; the appending code counts overflows.",
  },
  firstRows: 256,
  appendsValues: true,
  message: {
    name: "HolderColumns",
    doc: "Which process holds which socket, as columns; the rows of a socket are adjacent.",
  },
  columns: [
    { name: "socket", type: "u32", wire: 2, doc: "Id of the socket." },
    { name: "process", type: "u32", wire: 3, doc: "Id of the process." },
    { name: "fd", type: "u32", wire: 4, doc: "Number of the file descriptor." },
  ],
};
