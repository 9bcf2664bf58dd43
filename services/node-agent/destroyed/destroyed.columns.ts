// Sockets that were destroyed since the last pass, beside the socket table that has their tuples, cookies and
// counters.

import type { ReportTableSchema } from "../../../lib/tables/schema.ts";

/** Columns of an announcement besides those of the socket. */
export const destroyedTable: ReportTableSchema = {
  name: "DestroyedColumns",
  doc: "What the kernel's announcements say of destroyed sockets beyond the sockets themselves.",
  limit: {
    name: "DESTROYED_EVENTS_MAX",
    rows: 2 ** 18,
    doc:
      "Destroyed sockets that wait for a pass at most: 117 bytes each with the socket's row, so 31 MB; six seconds at " +
      "20,000 connections a second, both ends of which are on the node. A pass is asked for when half of them wait; " +
      "what overflows is counted.",
  },
  firstRows: 256,
  appendsValues: true,
  columns: [
    { name: "place", type: "u32", doc: "Inode of the network namespace, or UNPLACED." },
    {
      name: "nsid",
      type: "i32",
      doc: "The namespace's id in the namespace of the socket that heard of it: what an unplaced event is placed by.",
    },
    {
      name: "maybeFin",
      type: "u8",
      doc: "Whether the bytes received may have a FIN among them, as MaybeFin has it.",
    },
  ],
};
