// Run by attachment.test.ts: an agent that makes a pass, says so, and waits. A line on its input closes the
// agent, not the process. Its first argument is what events it chooses.

import { once } from "node:events";

import type { EventsChoice } from "../../../../lib/vocabulary/events-modes.ts";
import { createNodeAgent } from "../../node-agent.ts";

const startMs = performance.now();
const agent = createNodeAgent(
  {
    node: "attached",
    procRoot: "/proc",
    reader: "bpf-iter",
    conntrack: "none",
    events: process.argv[2] as EventsChoice,
  },
  {
    sink: { publish: () => Promise.resolve() },
    flows: null,
    elapsedMs: () => performance.now() - startMs,
  },
  { intervalMs: 1000, keyframeMs: 60_000, cpuShare: null },
);
await agent.pass();
console.log("passed");
await once(process.stdin, "data");
agent.close();
console.log("closed");
await once(process.stdin, "end");
