// A scenario without faults, which tests modify.

import type { AgentTraits, Scenario, Talk } from "./scenario.ts";

/** A TCP connection between two pods, open since before the first report. */
export const calmTalk: Talk = {
  way: "pod",
  protocol: "tcp",
  connects: true,
  family: 4,
  client: 0,
  server: 0,
  start: 0,
  lifeMs: null,
  closer: "client",
  lingerMs: 0,
  acceptMs: 0,
  port: 0,
  repeats: 0,
  pauseMs: 0,
  listens: true,
};

/** An agent that sees everything. */
export const calmAgent: AgentTraits = {
  offsetMs: 0,
  old: false,
  conntrack: "events",
  counts: true,
  hears: true,
};

/** One node with one pod. */
export const calm: Scenario = {
  nodes: 1,
  podsPerNode: 1,
  podsBornMs: null,
  intervalMs: 1000,
  passes: 5,
  agents: [calmAgent, calmAgent, calmAgent],
  accounting: false,
  knowsServices: true,
  randomPorts: false,
  talks: [calmTalk],
  incident: { kind: "none", node: 0, pass: 1, passes: 1 },
  delay: { kind: "none", node: 0, pass: 1, passes: 3 },
  orderSeed: 0,
};
