// The aggregator's edges.

import type { ModelTableSchema } from "../../../../lib/tables/schema.ts";

/** Columns of edges, read by everyone and written by the edge table. */
export const edgeModelTable: ModelTableSchema = {
  name: "EdgeColumns",
  doc: "Columns of edges, read by everyone and written by the edge table.",
  limit: { name: "EDGES_MAX", rows: 2 ** 17, doc: "Edges." },
  columns: [
    { name: "client", type: "u32", grows: "by copy", doc: "Number of the client's endpoint key." },
    { name: "server", type: "u32", grows: "by copy", doc: "Number of the server's endpoint key." },
    { name: "protocol", type: "u8", grows: "by copy", doc: "Protocol number." },
    { name: "port", type: "u16", grows: "by copy", doc: "The server's port." },
    {
      name: "viaPort",
      type: "u16",
      grows: "by copy",
      doc: "The port that the clients dialled, if it was not the server's own address and port.",
    },
    {
      name: "connections",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections since the edge was first seen.",
    },
    { name: "open", type: "f64", group: "counts", grows: "by copy", doc: "Connections that are open now." },
    {
      name: "retained",
      type: "u32",
      group: "counts",
      grows: "by copy",
      doc: "Connections that are still in the connection table.",
    },
    {
      name: "refused",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections that were refused; those that neither failed nor are pending were established.",
    },
    {
      name: "timedOut",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections without an answer.",
    },
    {
      name: "pending",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections whose outcome is not known yet.",
    },
    {
      name: "aggregate",
      type: "i32",
      empty: -1,
      group: "counts",
      grows: "by copy",
      doc: "The connection into which others of the edge are folded, or -1.",
    },
    {
      name: "withClientSocket",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections with a client's socket as evidence.",
    },
    {
      name: "withServerSocket",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections with a server's socket as evidence.",
    },
    {
      name: "withFlow",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections with a flow as evidence.",
    },
    {
      name: "withBytes",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Connections whose bytes are known.",
    },
    {
      name: "bytesToServer",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Bytes from clients to the server of all connections, including closed and freed ones.",
    },
    {
      name: "bytesToClient",
      type: "f64",
      group: "counts",
      grows: "by copy",
      doc: "Bytes from the server to clients of all connections, including closed and freed ones.",
    },
    {
      name: "firstSeenMs",
      type: "f64",
      grows: "by copy",
      doc: "When its first connection was first seen, in milliseconds since 1970 by the stream's clock.",
    },
    {
      name: "lastSeenMs",
      type: "f64",
      grows: "by copy",
      doc: "When its last closed connection was last seen, in milliseconds since 1970 by the stream's clock.",
    },
  ],
  methods: [
    {
      name: "clearCounts",
      does: "clear",
      groups: ["counts"],
      doc: "Clears the counts of an edge without connections.",
    },
  ],
};
