// The aggregator's connections.

import type { ModelTableSchema } from "../../../../lib/tables/schema.ts";

/** Columns of connections, read by everyone and written by the connection table. */
export const connectionModelTable: ModelTableSchema = {
  name: "ConnectionColumns",
  doc: "Columns of connections, read by everyone and written by the connection table.",
  limit: { name: "CONNECTIONS_MAX", rows: 2 ** 21, doc: "Connections, live and recently ended." },
  columns: [
    { name: "lifecycle", type: "u8", grows: "by copy", doc: "As Lifecycle." },
    { name: "traits", type: "u16", grows: "by copy", doc: "Bits of Trait." },
    { name: "outcome", type: "u8", grows: "by copy", doc: "As Outcome." },
    { name: "directionBy", type: "u8", grows: "by copy", doc: "As DirectionBy." },
    { name: "client", type: "i32", empty: -1, grows: "by copy", doc: "Slot of the client's socket, or -1." },
    { name: "server", type: "i32", empty: -1, grows: "by copy", doc: "Slot of the server's socket, or -1." },
    {
      name: "flow",
      type: "i32",
      empty: -1,
      grows: "by copy",
      doc: "Slot of the flow attached to the connection, or -1.",
    },
    {
      name: "firstSeenMs",
      type: "f64",
      grows: "by copy",
      doc: "When it was first seen, in milliseconds since 1970 by the stream's clock.",
    },
    {
      name: "lastSeenMs",
      type: "f64",
      grows: "in place",
      doc: "When it was last seen, in milliseconds since 1970 by the stream's clock, once it is closed; while it is open, the time of its nodes' latest passes counts instead.",
    },
    {
      name: "serial",
      type: "u32",
      grows: "in place",
      doc: "Distinguishes two connections that had the same slot.",
    },
    { name: "uidHigh", type: "u32", group: "uid", grows: "in place", doc: "High half of the stable id." },
    { name: "uidLow", type: "u32", group: "uid", grows: "in place", doc: "Low half of the stable id." },
  ],
  methods: [
    { name: "clearRow", does: "clear", groups: [""], doc: "Clears all columns except the stable id." },
  ],
};
