// The parameters that fast-check varies: the shape of a cluster, its agents, who talks to whom and when, and
// which incidents happen. Small numbers only, so that failures shrink to readable histories.

import fc from "fast-check";

/** How a node's agent reads. */
export interface AgentTraits {
  /** Offset of its passes within an interval, in milliseconds. */
  readonly offsetMs: number;
  /** Whether it has made some passes before the aggregator's first keyframe. */
  readonly old: boolean;
  readonly conntrack: "events" | "dump" | "none";
  /** Whether its reader gets cookies and byte counts (sock-diag, bpf-iter) or not (procfs). */
  readonly counts: boolean;
  /** Whether it receives events of destroyed sockets. */
  readonly hears: boolean;
}

/** The paths of conversations. */
const ways = [
  "pod",
  "service",
  "host-to-service",
  "hairpin",
  "outside",
  "node-port",
  "pod-to-node-port",
  "pod-to-host",
  "loopback",
] as const;

/** Who talks to whom, over what, when and for how long. */
export interface Talk {
  readonly way: (typeof ways)[number];
  readonly protocol: "tcp" | "udp";
  /** Whether a UDP client connects its socket. */
  readonly connects: boolean;
  readonly family: 4 | 6;
  readonly client: number;
  readonly server: number;
  /** When it starts, in thousandths of the history. */
  readonly start: number;
  /** How long it lasts; null if it outlasts the history. */
  readonly lifeMs: number | null;
  readonly closer: "client" | "server" | "reset";
  /** How long the other end takes to close. */
  readonly lingerMs: number;
  /** How long the connection waits to be accepted. */
  readonly acceptMs: number;
  /** Which of a few client ports it uses. */
  readonly port: number;
  /** How often the same client repeats the conversation with the same port, and after which pause. */
  readonly repeats: number;
  readonly pauseMs: number;
  /** Whether the TCP server's listener exists. */
  readonly listens: boolean;
}

/** A fault in a node's reports. */
interface Incident {
  /**
   * Reports are lost until a keyframe; the agent restarts, `passes` after its last pass; a keyframe comes out
   * of order; the aggregator replays the stream: of each node it receives nothing before a keyframe, each
   * node's at another pass.
   */
  readonly kind: "none" | "lost" | "restart" | "keyframe" | "replay";
  readonly node: number;
  readonly pass: number;
  readonly passes: number;
}

/** What makes a node's reports late, for minutes. */
interface Delay {
  /**
   * The agent is stopped: it makes no pass, and what was announced meanwhile waits. Its reports are held:
   * they reach the stream with the first one after the delay.
   */
  readonly kind: "none" | "stopped" | "held";
  readonly node: number;
  readonly pass: number;
  /** How long it lasts, in passes. */
  readonly passes: number;
}

/** One history and how it is delivered. */
export interface Scenario {
  readonly nodes: number;
  readonly podsPerNode: number;
  /** When the last pod of each node starts; null if it always ran. */
  readonly podsBornMs: number | null;
  readonly intervalMs: number;
  readonly passes: number;
  readonly agents: readonly AgentTraits[];
  /** Whether conntrack counts bytes (nf_conntrack_acct). */
  readonly accounting: boolean;
  /** Whether the aggregator knows Services and their endpoints. */
  readonly knowsServices: boolean;
  /** Whether source translation takes random ports (--random-fully). */
  readonly randomPorts: boolean;
  readonly talks: readonly Talk[];
  readonly incident: Incident;
  readonly delay: Delay;
  /** Determines the order in which reports are delivered. */
  readonly orderSeed: number;
}

/** Maximum number of nodes. */
const NODES_MAX = 3;

const weighted = <Value>(...choices: readonly (readonly [number, Value])[]): fc.Arbitrary<Value> =>
  fc.oneof(...choices.map(([weight, value]) => ({ weight, arbitrary: fc.constant(value) })));

const agentTraits: fc.Arbitrary<AgentTraits> = fc.record({
  offsetMs: fc.nat(999),
  old: fc.boolean(),
  conntrack: weighted<AgentTraits["conntrack"]>([6, "events"], [2, "dump"], [1, "none"]),
  counts: weighted([4, true], [1, false]),
  hears: weighted([9, true], [1, false]),
});

const talk: fc.Arbitrary<Talk> = fc.record({
  way: fc.constantFrom(...ways),
  protocol: weighted<Talk["protocol"]>([3, "tcp"], [1, "udp"]),
  connects: weighted([3, true], [1, false]),
  family: weighted<Talk["family"]>([3, 4], [1, 6]),
  client: fc.nat(5),
  server: fc.nat(5),
  start: fc.nat(999),
  lifeMs: weighted<number | null>([2, 20], [2, 300], [2, 1500], [2, 4000], [1, 12_000], [2, null]),
  closer: fc.constantFrom("client", "server", "reset"),
  lingerMs: weighted([3, 0], [1, 2500]),
  acceptMs: weighted([4, 0], [1, 1500]),
  port: fc.nat(2),
  repeats: weighted([3, 0], [1, 1], [1, 2]),
  pauseMs: weighted([2, 0], [2, 50], [2, 1500], [1, 12_000], [1, 65_000]),
  listens: weighted([9, true], [1, false]),
});

const incident: fc.Arbitrary<Incident> = fc.record({
  kind: weighted<Incident["kind"]>([6, "none"], [1, "lost"], [2, "restart"], [1, "keyframe"], [1, "replay"]),
  node: fc.nat(NODES_MAX - 1),
  pass: fc.integer({ min: 1, max: 6 }),
  passes: fc.integer({ min: 1, max: 4 }),
});

const delay: fc.Arbitrary<Delay> = fc.record({
  kind: weighted<Delay["kind"]>([4, "none"], [1, "stopped"], [1, "held"]),
  node: fc.nat(NODES_MAX - 1),
  pass: fc.integer({ min: 1, max: 6 }),
  passes: fc.constantFrom(3, 8, 20),
});

/** Every scenario. */
export const scenarios: fc.Arbitrary<Scenario> = fc.record({
  nodes: fc.integer({ min: 1, max: NODES_MAX }),
  podsPerNode: fc.integer({ min: 1, max: 2 }),
  podsBornMs: weighted<number | null>([3, null], [1, 2500], [1, 6010]),
  intervalMs: weighted([3, 1000], [2, 2000], [1, 5000], [1, 10_000]),
  passes: fc.integer({ min: 5, max: 10 }),
  agents: fc.array(agentTraits, { minLength: NODES_MAX, maxLength: NODES_MAX }),
  accounting: fc.boolean(),
  knowsServices: weighted([3, true], [1, false]),
  randomPorts: fc.boolean(),
  talks: fc.array(talk, { minLength: 1, maxLength: 6 }),
  incident,
  delay,
  orderSeed: fc.nat(2 ** 31 - 1),
});
