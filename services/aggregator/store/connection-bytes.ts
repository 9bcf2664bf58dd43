// What a connection carried. Its two sockets' counters come first: each counts what it sent and what came; where both are
// known the larger figure is right, since one of them may have been read later or be gone by now. Where there is no
// socket, its flow's counters tell (IP headers included, where nf_conntrack_acct is on).

import { ConnectionFlag } from "./connection-store.ts";
import type { Tables } from "./tables.ts";

/** Bytes of a connection from client to server and back. */
export interface ConnectionBytes {
  toServer: number;
  toClient: number;
}

/** What a connection carried as far as is known, with what was folded into it; null where nothing is. */
export function connectionBytes(tables: Tables, connection: number): ConnectionBytes | null {
  const bytes = { toServer: 0, toClient: 0 };
  return readConnectionBytes(tables, connection, bytes) ? bytes : null;
}

/** The same, written over `into`, which makes no object; false, and zeros, where nothing is known. */
export function readConnectionBytes(tables: Tables, connection: number, into: ConnectionBytes): boolean {
  into.toServer = 0;
  into.toClient = 0;
  const known = readOwnBytes(tables, connection, into);
  const { folds } = tables.connections;
  const fold = folds.size === 0 ? undefined : folds.get(connection);
  if (fold === undefined || !fold.bytesKnown) return known;
  into.toServer += fold.toServer;
  into.toClient += fold.toClient;
  return true;
}

function readOwnBytes(tables: Tables, connection: number, into: ConnectionBytes): boolean {
  const { connections, sockets } = tables;
  if (connections.has(connection, ConnectionFlag.lone)) return readLoneBytes(tables, connection, into);
  const client = countedSocket(tables, connections.client[connection]!);
  const shared = connections.has(connection, ConnectionFlag.sharedServer);
  const server = shared ? -1 : countedSocket(tables, connections.server[connection]!);
  if (client < 0 && server < 0) return false;
  const { bytesSent, bytesReceived } = sockets;
  if (client >= 0 && server >= 0) {
    into.toServer = payload(bytesSent[client]!, bytesReceived[server]!);
    into.toClient = payload(bytesSent[server]!, bytesReceived[client]!);
  } else {
    into.toServer = client >= 0 ? bytesSent[client]! : bytesReceived[server]!;
    into.toClient = client >= 0 ? bytesReceived[client]! : bytesSent[server]!;
  }
  return true;
}

function readLoneBytes({ connections, flows }: Tables, connection: number, into: ConnectionBytes): boolean {
  const bytes = flowBytes(flows.counters, connections.flow[connection]!);
  if (bytes === null) return false;
  const reversed = connections.has(connection, ConnectionFlag.reversed);
  into.toServer = reversed ? bytes.toClient : bytes.toServer;
  into.toClient = reversed ? bytes.toServer : bytes.toClient;
  return true;
}

/** Bytes that conntrack counted of a flow; null where it counts none: there is no flow without one packet there. */
export function flowBytes(counters: Float64Array, flow: number): ConnectionBytes | null {
  if (counters[flow * 4] === 0) return null;
  return { toServer: counters[flow * 4 + 1]!, toClient: counters[flow * 4 + 3]! };
}

// A receiver that is gone cannot always be told whether a FIN is among what came, which counts as a byte: the sender
// knows what it sent.
function payload(sent: number, received: number): number {
  return received === sent + 1 ? sent : Math.max(sent, received);
}

/** The slot where its socket's counters are known; -1 else. */
export function countedSocket(tables: Tables, slot: number): number {
  return slot >= 0 && tables.sockets.counted[slot] === 1 ? slot : -1;
}
