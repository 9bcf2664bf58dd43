// The aggregator's sockets: the changeable columns of reports (lib/tables/socket.columns.ts), and its own.

import type { ModelTableSchema } from "../../../../lib/tables/schema.ts";
import { keptColumns } from "../../../../lib/tables/schema.ts";
import { socketTable } from "../../../../lib/tables/socket.columns.ts";

/**
 * Columns of sockets, read by everyone and written by the socket table. Fields that matching reads are in the
 * socket's record instead (socket-rows.ts).
 */
export const socketModelTable: ModelTableSchema = {
  name: "SocketColumns",
  doc: "Columns of sockets, read by everyone and written by the socket table. Fields that matching reads are in the socket's record instead (socket-rows.ts).",
  limit: {
    name: "SOCKETS_MAX",
    rows: 2 ** 22 + 2 ** 18,
    doc: "Sockets: both ends of 2^21 connections, and 2^18 listeners.",
  },
  copiesFrom: socketTable,
  columns: [
    { name: "id", type: "u32", group: "own", grows: "in place", doc: "The agent's id." },
    ...keptColumns(socketTable, "in place"),
    {
      name: "sinceMs",
      type: "f64",
      group: "own",
      grows: "in place",
      doc: "When the socket was first seen, in milliseconds since 1970 by the stream's clock; once gone, when it last existed.",
    },
    {
      name: "bornAfterMs",
      type: "f64",
      group: "own",
      grows: "in place",
      doc: "When the socket was created, at the earliest, in milliseconds since 1970 by the stream's clock: the pass before it was first seen; 0 if no pass before is known.",
    },
    {
      name: "keyframe",
      type: "u8",
      group: "own",
      grows: "in place",
      doc: "Number of the keyframe that last named the socket, modulo 256.",
    },
  ],
  methods: [
    { name: "copyReported", does: "copy", groups: ["", "attempt"], doc: "Copies what every reader can see." },
    {
      name: "clearReported",
      does: "clear",
      groups: ["", "attempt"],
      doc: "Clears what copyReported() copies.",
    },
    { name: "copyCookie", does: "copy", groups: ["cookie"], doc: "Copies the cookie." },
    { name: "clearCookie", does: "clear", groups: ["cookie"], doc: "Clears the cookie." },
    { name: "copyCounters", does: "copy", groups: ["counters"], doc: "Copies the counters." },
  ],
};
