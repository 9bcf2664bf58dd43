// A simulated cluster: nodes with pods that keep connections to pods of the next few nodes, as their agents'
// reports. The reports contain both ends of every connection, each with its process.

import { NetworkNamespace, NodeCoverage, ProcessInfo } from "../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../lib/holder-table.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { Protocol } from "../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../lib/vocabulary/states.ts";
import { emptyObservation } from "../../services/node-agent/delta/delta.ts";
import { keyframe } from "../../services/node-agent/delta/diff.ts";
import { encodeReports } from "../../services/node-agent/delta/reports.ts";

export const NODES = 100;
const PODS_PER_NODE = 50;

/** How large a simulated cluster is. */
export interface ClusterShape {
  readonly nodes: number;
  /** Connections that each pod opens; it accepts the same number. */
  readonly connectionsPerPod: number;
  /** How many of them are new in each round; those that they replace have closed. */
  readonly renewedPerPod: number;
  /** Ticks (of 10 ms) from one round to the next. */
  readonly roundTicks: number;
}

/** The cluster of the ingest bench. */
export const largeCluster: ClusterShape = {
  nodes: NODES,
  connectionsPerPod: 100,
  renewedPerPod: 0,
  roundTicks: 18_000,
};

/** Pods that a pod talks to, one on each of the next nodes: the number of edges from its connections. */
const PEERS = 5;

const SERVER_PORT = 8080;
const EPHEMERAL_PORT = 32_768;
/** Ticks (of 10 ms) from the agents' start to the first round. */
const FIRST_TICKS = 100_000;
/** Rounds until a renewed connection's port is used again. */
const RENEWALS = 100;
/** Sockets of a node that a renewal may replace. */
const RENEWED_IDS = 100_000;

/** Connections in the whole cluster, which an aggregator must find. */
export const CONNECTIONS: number = NODES * PODS_PER_NODE * largeCluster.connectionsPerPod;
/** Sockets in a keyframe of all nodes: both ends of each connection, and each pod's listener. */
export const RECORDS: number = 2 * CONNECTIONS + NODES * PODS_PER_NODE;

/** One of a node's keyframes. All have the same sockets. */
export interface Round {
  /** The agents' start, milliseconds since 1970. */
  readonly epoch: number;
  readonly number: number;
  readonly firstSequence: number;
  /** How often every connection has carried data: determines counters, queues and timers. */
  readonly traffic: number;
  readonly shape: ClusterShape;
}

/** The reports of one node's keyframe. */
export function keyframeReports(node: number, round: Round): Uint8Array[] {
  const name = `node-${node}.example`;
  const ticks = FIRST_TICKS + round.number * round.shape.roundTicks;
  const pods = Array.from({ length: PODS_PER_NODE }, (_, pod) => pod);
  const tables = new NodeTables(node, round);
  for (const pod of pods) tables.addPod(pod);
  const observation = {
    ...emptyObservation(NodeCoverage.fromPartial({ node: name, reader: "sock-diag" })),
    ticks,
    namespaces: new Map(pods.map((pod) => [pod + 1, namespaceOf(node, pod, round.shape)])),
    processes: new Map(pods.map((pod) => [pod + 1, processOf(node, pod)])),
    sockets: tables.sockets,
    holders: tables.holders,
  };
  return encodeReports({ node: name, bootId: `boot-${node}`, epoch: round.epoch }, keyframe(observation), {
    keyframe: true,
    firstSequence: round.firstSequence,
    ageMs: 5,
    pods: [],
  });
}

// The tables of one node, filled pod by pod. The ids of a pod's namespace and process are its number plus one.
class NodeTables {
  readonly sockets = new SocketTable();
  readonly holders = new HolderTable();
  readonly #node: number;
  readonly #round: Round;
  readonly #traffic: number;

  constructor(node: number, round: Round) {
    this.#node = node;
    this.#round = round;
    this.#traffic = round.traffic;
  }

  addPod(pod: number): void {
    const { shape } = this.#round;
    const own = addressOf(this.#node, pod, shape);
    this.#add(pod, SocketState.LISTEN, [0, SERVER_PORT], [0, 0]);
    for (let number = 0; number < shape.connectionsPerPod; number++) {
      const distance = 1 + (number % PEERS);
      const renewal = number < shape.renewedPerPod ? this.#round.number % RENEWALS : 0;
      const port = EPHEMERAL_PORT + number + renewal * shape.connectionsPerPod;
      const server = addressOf(this.#node + distance, pod + distance, shape);
      const client = addressOf(this.#node - distance, pod - distance, shape);
      this.#add(pod, SocketState.ESTABLISHED, [own, port], [server, SERVER_PORT], renewal);
      this.#add(pod, SocketState.ESTABLISHED, [own, SERVER_PORT], [client, port], renewal);
    }
  }

  // Fills every column that the best reader fills: an absent column costs nothing to decode.
  #add(
    pod: number,
    state: number,
    local: readonly [number, number],
    remote: readonly [number, number],
    renewal = 0,
  ): void {
    const { sockets, holders } = this;
    const row = sockets.append();
    const id = row + 1 + renewal * RENEWED_IDS;
    sockets.id[row] = id;
    sockets.namespace[row] = pod + 1;
    sockets.protocol[row] = Protocol.tcp;
    sockets.family[row] = 4;
    sockets.state[row] = state;
    sockets.addresses.set([0, 0, 0xffff, local[0], 0, 0, 0xffff, remote[0]], row * 8);
    sockets.localPort[row] = local[1];
    sockets.remotePort[row] = remote[1];
    sockets.inode[row] = 1_300_000 + id;
    sockets.uid[row] = 1000;
    sockets.recvQueue[row] = (id + this.#traffic) % 17 === 0 ? 1448 : 0;
    sockets.sendQueue[row] = (id + this.#traffic) % 19 === 0 ? 2896 : 0;
    sockets.timer[row] = 2;
    sockets.timerDeadline[row] = FIRST_TICKS + this.#traffic + (id % 7500);
    sockets.references[row] = 2;
    sockets.cookieLow[row] = 4096 + id;
    sockets.counted[row] = 1;
    sockets.bytesSent[row] = 1e6 + this.#traffic * (1 + (id % 5000));
    sockets.bytesReceived[row] = 1e6 + this.#traffic * (1 + (id % 3000));
    sockets.rttMicros[row] = 200 + (id % 700);
    // Both ends of a connection derive the same age from its ports.
    sockets.firstSeen[row] = 1 + (((local[1] + remote[1]) * 331) % FIRST_TICKS);
    holders.append(id, pod + 1, 5 + (row % (2 * this.#round.shape.connectionsPerPod + 1)));
  }
}

// Nodes and pods wrap around.
function addressOf(node: number, pod: number, { nodes }: ClusterShape): number {
  const nodeNumber = (node + nodes) % nodes;
  const podNumber = (pod + PODS_PER_NODE) % PODS_PER_NODE;
  return (10 << 24) | (nodeNumber << 8) | (podNumber + 1);
}

function namespaceOf(node: number, pod: number, shape: ClusterShape): NetworkNamespace {
  const address = new Uint8Array(4);
  new DataView(address.buffer).setUint32(0, addressOf(node, pod, shape));
  return NetworkNamespace.fromPartial({
    id: pod + 1,
    inode: 4_026_532_000 + pod,
    podUid: podUidOf(node, pod),
    addresses: [address],
  });
}

function processOf(node: number, pod: number): ProcessInfo {
  return ProcessInfo.fromPartial({
    id: pod + 1,
    pid: 1000 + pod,
    startTicks: 5000 + pod,
    name: "server",
    exe: "/usr/local/bin/server",
    uid: 1000,
    containerId: `${podUidOf(node, pod)}-container`,
    podUid: podUidOf(node, pod),
  });
}

function podUidOf(node: number, pod: number): string {
  return `00000000-0000-4000-8000-${String(node * 1000 + pod).padStart(12, "0")}`;
}
