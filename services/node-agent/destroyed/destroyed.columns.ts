// Sockets that were destroyed since the last pass, beside the socket table that has their tuples, cookies and
// counters.

import type { ReportTableSchema } from "../../../lib/tables/schema.ts";

/** Columns of an announcement besides those of the socket. */
export const destroyedTable: ReportTableSchema = {
  name: "DestroyedColumns",
  doc: "Columns of the kernel's announcements of destroyed sockets besides those of the sockets themselves.",
  limit: {
    name: "DESTROYED_EVENTS_MAX",
    rows: 2 ** 18,
    doc:
      "Maximum destroyed sockets that wait for a pass: 117 bytes each with the socket's row, so 31 MB; six seconds at " +
      "20,000 connections a second with both ends on the node. Half of them trigger a pass; overflows are counted.",
  },
  firstRows: 256,
  appendsValues: true,
  columns: [
    { name: "place", type: "u32", doc: "Inode of the network namespace, or UNPLACED." },
    {
      name: "nsid",
      type: "i32",
      doc: "The namespace's id in the namespace of the netlink socket that received the event; used to place an unplaced event.",
    },
    {
      name: "maybeFin",
      type: "u8",
      doc: "Whether the received bytes may include a FIN, as MaybeFin.",
    },
  ],
};
