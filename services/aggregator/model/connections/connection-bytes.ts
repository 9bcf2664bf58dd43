// Bytes that a connection carried. Its sockets' counters take precedence: each counts what it sent and
// received; if both are known, the larger figure is right, since the other socket may have been read earlier
// or be gone. Without sockets, its flow's counters are used (they include IP headers and need
// nf_conntrack_acct).

import type { ReadModel } from "../model.ts";
import type { Column } from "../storage/column.ts";
import { Trait } from "./connection-rows.ts";

/** Bytes of a connection from client to server and back. */
export interface ConnectionBytes {
  toServer: number;
  toClient: number;
}

/** Returns the known bytes of a connection, including those folded into it; null if none are known. */
export function connectionBytes(model: ReadModel, connection: number): ConnectionBytes | null {
  const bytes = { toServer: 0, toClient: 0 };
  return readConnectionBytes(model, connection, bytes) ? bytes : null;
}

/** The same without allocating an object: writes to `into`; returns false and zeros if no bytes are known. */
export function readConnectionBytes(model: ReadModel, connection: number, into: ConnectionBytes): boolean {
  into.toServer = 0;
  into.toClient = 0;
  const known = readOwnBytes(model, connection, into);
  const { folds } = model.connections;
  const fold = folds.size === 0 ? undefined : folds.get(connection);
  if (fold === undefined || !fold.bytesKnown) return known;
  into.toServer += fold.toServer;
  into.toClient += fold.toClient;
  return true;
}

/**
 * Bytes that conntrack counted for a flow; null if it does not count: every flow has at least one packet in
 * the original direction.
 */
export function flowBytes(counters: Column, flow: number): ConnectionBytes | null {
  if (counters[flow * 4] === 0) return null;
  return { toServer: counters[flow * 4 + 1]!, toClient: counters[flow * 4 + 3]! };
}

/** The slot if its socket's counters are known; else -1. */
export function countedSocket({ sockets }: ReadModel, slot: number): number {
  return slot >= 0 && sockets.counted[slot] === 1 ? slot : -1;
}

function readOwnBytes(model: ReadModel, connection: number, into: ConnectionBytes): boolean {
  const { connections, sockets } = model;
  if (connections.has(connection, Trait.lone)) return readLoneBytes(model, connection, into);
  const client = countedSocket(model, connections.client[connection]!);
  const server = countedSocket(model, connections.serverEnd(connection));
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

function readLoneBytes(
  { connections, flows }: ReadModel,
  connection: number,
  into: ConnectionBytes,
): boolean {
  const bytes = flowBytes(flows.counters, connections.flow[connection]!);
  if (bytes === null) return false;
  const reversed = connections.has(connection, Trait.reversed);
  into.toServer = reversed ? bytes.toClient : bytes.toServer;
  into.toClient = reversed ? bytes.toServer : bytes.toClient;
  return true;
}

// A closed receiver may count a FIN, which is not payload, as one byte: the sender's count is right.
function payload(sent: number, received: number): number {
  return received === sent + 1 ? sent : Math.max(sent, received);
}
