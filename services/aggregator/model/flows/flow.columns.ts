// The aggregator's flows (conntrack entries).

import type { ModelTableSchema } from "../../../../lib/tables/schema.ts";

/** Columns of flows, read by everyone and written by the flow table. */
export const flowModelTable: ModelTableSchema = {
  name: "FlowColumns",
  doc: "Columns of flows, read by everyone and written by the flow table.",
  limit: {
    name: "FLOWS_MAX",
    rows: 2 ** 20,
    doc: "Flows of a hundred nodes with ten thousand each; what overflows is counted.",
  },
  columns: [
    { name: "id", type: "u32", grows: "by copy", doc: "The agent's id." },
    {
      name: "namespace",
      type: "u32",
      grows: "by copy",
      doc: "Slot of the network namespace whose table has the flow.",
    },
    { name: "protocol", type: "u8", grows: "by copy", doc: "IANA protocol number." },
    { name: "state", type: "u8", grows: "by copy", doc: "The kernel's number of the protocol's state." },
    { name: "status", type: "u32", grows: "by copy", doc: "Bits of FlowStatus." },
    { name: "zone", type: "u16", grows: "by copy", doc: "Conntrack zone." },
    {
      name: "tick",
      type: "u32",
      grows: "by copy",
      doc: "Ticks since the agent's start at which the flow was first seen.",
    },
    { name: "flags", type: "u8", group: "life", grows: "by copy", doc: "Bits of FlowFlag." },
    {
      name: "connection",
      type: "i32",
      empty: -1,
      group: "life",
      grows: "by copy",
      doc: "The connection that the flow is attached to, or that it makes alone; -1 if there is none.",
    },
    {
      name: "next",
      type: "i32",
      empty: -1,
      group: "life",
      grows: "by copy",
      doc: "The flow on another node that translates this flow's packets again; -1 if there is none.",
    },
    {
      name: "addresses",
      type: "u32",
      width: 4,
      grows: "by copy",
      doc: "Four per slot, by FlowPlace: address numbers.",
    },
    {
      name: "ports",
      type: "u16",
      width: 4,
      grows: "by copy",
      doc: "Four per slot, by FlowPlace. For ICMP, the client's port is the id and the server's is type * 256 + code as the client sends them, in both tuples, so that they mirror each other as ports do.",
    },
    {
      name: "counters",
      type: "f64",
      width: 4,
      grows: "by copy",
      doc: "Four per slot: packets and bytes of the original direction, then of the reply's; zeros without accounting.",
    },
    {
      name: "sinceMs",
      type: "f64",
      grows: "by copy",
      doc: "When the flow was first seen, in milliseconds since 1970 by the stream's clock.",
    },
    {
      name: "bornAfterMs",
      type: "f64",
      grows: "by copy",
      doc: "When the flow began, at the earliest, in milliseconds since 1970 by the stream's clock: its node did not have it then.",
    },
    {
      name: "goneMs",
      type: "f64",
      group: "life",
      grows: "by copy",
      doc: "When the flow was found gone; 0 while it exists.",
    },
    {
      name: "references",
      type: "u32",
      group: "life",
      grows: "by copy",
      doc: "References that keep the flow once it is gone: connections, a wait, the flow before it in a chain.",
    },
    {
      name: "keyframe",
      type: "u8",
      grows: "by copy",
      doc: "Number of the keyframe that last named the flow, modulo 256.",
    },
  ],
  methods: [
    {
      name: "clearLife",
      does: "clear",
      groups: ["life"],
      doc: "Clears the columns that reports do not set: nothing refers to the flow, and it refers to nothing.",
    },
  ],
};
