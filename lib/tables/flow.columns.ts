// Flows (conntrack entries).

import type { ReportTableSchema } from "./schema.ts";

/** Columns that the agent keeps and reports carry. */
export const flowTable: ReportTableSchema = {
  name: "FlowColumns",
  doc: "Flows (conntrack entries), one row each.",
  limit: {
    name: "FLOW_ROWS_MAX",
    rows: 2 ** 20,
    doc: "Maximum rows of a table: 2^20 flows of one node; the appending code counts overflows.",
  },
  firstRows: 64,
  addresses: "addresses",
  message: {
    name: "FlowColumns",
    doc:
      "Flows as columns: one row is one conntrack entry. Protocols' states and the status bits have the kernel's " +
      "numbers of include/uapi/linux/netfilter/nf_conntrack_{common,tcp,sctp}.h.",
    reserved: [
      [11, "mark"],
      [12, "deadline"],
      [13, "kernel_id"],
      [15, "start_ms"],
    ],
  },
  changeMessage: {
    name: "FlowChangeColumns",
    doc: "The columns of a flow that change during its life.",
    reserved: [
      [5, "mark"],
      [6, "deadline"],
    ],
  },
  columns: [
    {
      name: "id",
      type: "u32",
      wire: 2,
      doc: "Id assigned by the agent, unique among living flows of an epoch.",
    },
    {
      name: "namespace",
      type: "u16",
      wire: 3,
      doc: "Id of the network namespace whose table has the flow.",
    },
    { name: "protocol", type: "u8", wire: 4, doc: "IANA protocol number." },
    { name: "family", type: "u8", wire: 5, doc: "4 or 6." },
    {
      name: "state",
      type: "u8",
      wire: 6,
      change: 3,
      doc: "State of the protocol, if it has states (tcp, sctp, dccp).",
    },
    {
      name: "status",
      type: "u32",
      wire: 7,
      change: 4,
      doc: "Status bits (2 seen reply, 4 assured, 16 source translated, 32 destination translated …).",
    },
    {
      name: "addresses",
      type: "u32",
      width: 16,
      wire: 8,
      doc: "Source and destination of the original direction, then of the reply direction.",
    },
    {
      name: "ports",
      type: "u16",
      width: 4,
      wire: 9,
      doc:
        "In the same order as the addresses: ports, or gre keys; for icmp the id as source and type * 256 + code as " +
        "destination.",
    },
    { name: "zone", type: "u16", wire: 10, doc: "Conntrack zone." },
    {
      name: "kernelId",
      type: "u32",
      doc: "The kernel's id of the entry, by which the agent recognizes it; 0 if unknown.",
    },
    {
      name: "counters",
      type: "f64",
      width: 4,
      wire: 14,
      change: 7,
      doc:
        "Packets and bytes of the original direction, then of the reply direction; zeros if the kernel does not count " +
        "(nf_conntrack_acct).",
    },
    {
      name: "firstSeen",
      type: "u32",
      wire: 16,
      doc: "Ticks since the epoch's start when the flow was first seen.",
    },
  ],
};
