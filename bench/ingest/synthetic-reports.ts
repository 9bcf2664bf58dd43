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
/** Connections that each pod opens; it accepts the same number. */
const CONNECTIONS_PER_POD = 100;
/** Pods that a pod talks to, one on each of the next nodes: the number of edges from its connections. */
const PEERS = 5;

const SERVER_PORT = 8080;
const EPHEMERAL_PORT = 32_768;
/** Ticks (of 10 ms) from the agents' start to the first round, and from one round to the next. */
const FIRST_TICKS = 100_000;
const ROUND_TICKS = 18_000;

/** Connections in the whole cluster, which an aggregator must find. */
export const CONNECTIONS: number = NODES * PODS_PER_NODE * CONNECTIONS_PER_POD;
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
}

/** The reports of one node's keyframe. */
export function keyframeReports(node: number, round: Round): Uint8Array[] {
  const name = `node-${node}.example`;
  const ticks = FIRST_TICKS + round.number * ROUND_TICKS;
  const pods = Array.from({ length: PODS_PER_NODE }, (_, pod) => pod);
  const tables = new NodeTables(node, round.traffic);
  for (const pod of pods) tables.addPod(pod);
  const observation = {
    ...emptyObservation(NodeCoverage.fromPartial({ node: name, reader: "sock-diag" })),
    ticks,
    namespaces: new Map(pods.map((pod) => [pod + 1, namespaceOf(node, pod)])),
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
  readonly #traffic: number;

  constructor(node: number, traffic: number) {
    this.#node = node;
    this.#traffic = traffic;
  }

  addPod(pod: number): void {
    const own = addressOf(this.#node, pod);
    this.#add(pod, SocketState.LISTEN, [0, SERVER_PORT], [0, 0]);
    for (let number = 0; number < CONNECTIONS_PER_POD; number++) {
      const distance = 1 + (number % PEERS);
      const port = EPHEMERAL_PORT + number;
      const server = addressOf(this.#node + distance, pod + distance);
      const client = addressOf(this.#node - distance, pod - distance);
      this.#add(pod, SocketState.ESTABLISHED, [own, port], [server, SERVER_PORT]);
      this.#add(pod, SocketState.ESTABLISHED, [own, SERVER_PORT], [client, port]);
    }
  }

  // Fills every column that the best reader fills: an absent column costs nothing to decode.
  #add(
    pod: number,
    state: number,
    local: readonly [number, number],
    remote: readonly [number, number],
  ): void {
    const { sockets, holders } = this;
    const row = sockets.append();
    const id = row + 1;
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
    holders.append(id, pod + 1, 5 + (row % (2 * CONNECTIONS_PER_POD + 1)));
  }
}

// Nodes and pods wrap around.
function addressOf(node: number, pod: number): number {
  const nodeNumber = (node + NODES) % NODES;
  const podNumber = (pod + PODS_PER_NODE) % PODS_PER_NODE;
  return (10 << 24) | (nodeNumber << 8) | (podNumber + 1);
}

function namespaceOf(node: number, pod: number): NetworkNamespace {
  const address = new Uint8Array(4);
  new DataView(address.buffer).setUint32(0, addressOf(node, pod));
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
