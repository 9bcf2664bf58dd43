// What a connection carried, by its two sockets' counters: each counts what it sent and what came. Where both are known
// the larger figure is right, since one of them may have been read later or be gone by now.

import { ConnectionFlag } from "./connection-store.ts";
import type { Tables } from "./tables.ts";

/** Bytes of a connection from client to server and back. */
export interface ConnectionBytes {
  readonly toServer: number;
  readonly toClient: number;
}

/** What a connection carried as far as is known; null where neither socket's counters are. */
export function connectionBytes(tables: Tables, connection: number): ConnectionBytes | null {
  const { connections, sockets } = tables;
  const client = countedSocket(tables, connections.client[connection]!);
  const shared = connections.has(connection, ConnectionFlag.sharedServer);
  const server = shared ? -1 : countedSocket(tables, connections.server[connection]!);
  if (client < 0 && server < 0) return null;
  const { bytesSent, bytesReceived } = sockets;
  if (client >= 0 && server >= 0) {
    return {
      toServer: payload(bytesSent[client]!, bytesReceived[server]!),
      toClient: payload(bytesSent[server]!, bytesReceived[client]!),
    };
  }
  return {
    toServer: of(bytesSent, client) + of(bytesReceived, server),
    toClient: of(bytesSent, server) + of(bytesReceived, client),
  };
}

// A receiver that is gone cannot always be told whether a FIN is among what came, which counts as a byte: the sender
// knows what it sent.
function payload(sent: number, received: number): number {
  return received === sent + 1 ? sent : Math.max(sent, received);
}

function of(column: Float64Array, slot: number): number {
  return slot < 0 ? 0 : column[slot]!;
}

/** The slot where its socket's counters are known; -1 else. */
export function countedSocket(tables: Tables, slot: number): number {
  return slot >= 0 && tables.sockets.counted[slot] === 1 ? slot : -1;
}
