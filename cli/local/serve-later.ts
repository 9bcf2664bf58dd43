// Serves a pipeline's gRPC API at an address, and loads gRPC when the first client connects: a pipeline
// without clients does not need gRPC's tens of megabytes.

import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";

import type { ConnectionServer, ServerOptions } from "../../services/aggregator/serve/server.ts";

/** Clients that may wait at a time; each holds a file descriptor while gRPC is being loaded. */
const CONNECTIONS_MAX = 256;

/** A listening server. */
interface LaterServer {
  readonly port: number;
  /** Stops listening and ends running calls. */
  close(): Promise<void>;
}

/** Listens. Rejects if it cannot listen on the address. */
export async function serveLater(
  { host, port }: { readonly host: string; readonly port: number },
  options: ServerOptions,
): Promise<LaterServer> {
  let loading: Promise<ConnectionServer> | null = null;
  const waiting = new Set<Socket>();
  // Data that a client sends meanwhile waits in its socket's buffer, which HTTP/2 reads first.
  const listener = createServer({ noDelay: true }, (socket) => {
    waiting.add(socket);
    socket.on("error", () => undefined);
    loading ??= load(options);
    void hand(socket, loading);
  });
  async function hand(socket: Socket, server: Promise<ConnectionServer>): Promise<void> {
    try {
      const taker = await server;
      if (waiting.delete(socket) && !socket.destroyed) taker.take(socket);
    } catch {
      socket.destroy();
    }
  }
  listener.maxConnections = CONNECTIONS_MAX;
  listener.listen(port, host);
  await once(listener, "listening");
  return {
    port: (listener.address() as AddressInfo).port,
    async close() {
      listener.close();
      for (const socket of waiting) socket.destroy();
      waiting.clear();
      const server = await loading?.catch(() => null);
      await server?.close();
    },
  };
}

async function load(options: ServerOptions): Promise<ConnectionServer> {
  const { serveConnections } = await import("../../services/aggregator/serve/server.ts");
  return serveConnections(options);
}
