// Serves a pipeline's gRPC API at an address, and loads what that needs once the first caller is there: a
// pipeline that nobody else asks does without gRPC's tens of megabytes.

import { once } from "node:events";
import type { AddressInfo, Socket } from "node:net";
import { createServer } from "node:net";

import type { ConnectionServer, ServerOptions } from "../../services/aggregator/serve/server.ts";

/** Callers that may wait at a time; while gRPC is being loaded each holds a file. */
const CONNECTIONS_MAX = 256;

/** A server that listens. */
interface LaterServer {
  readonly port: number;
  /** Stops listening and ends what runs. */
  close(): Promise<void>;
}

/** Listens. Rejects where the address cannot be listened on. */
export async function serveLater(
  { host, port }: { readonly host: string; readonly port: number },
  options: ServerOptions,
): Promise<LaterServer> {
  let loading: Promise<ConnectionServer> | null = null;
  const waiting = new Set<Socket>();
  // What a caller sends meanwhile waits in its socket's buffer, which HTTP/2 takes first.
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
