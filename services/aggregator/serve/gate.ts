// Listens for connections, and limits their number, which gRPC's own listener does not. libuv accepts one
// connection of a socket in each round of the event loop, and a round of a busy aggregator takes many
// milliseconds: behind a thousand others, a new connection would wait for a minute. So several sockets listen
// at the address.

import type { AddressInfo, ListenOptions, Socket } from "node:net";
import { createServer } from "node:net";
import type { Server } from "node:net";

/** Sockets that listen: connections that are accepted in a round. */
const LISTENERS = 16;
/** Connections that the kernel holds for each until they are accepted. */
const BACKLOG = 1024;

/** Counts of connections. */
export interface GateCounts {
  readonly connections: number;
  /** Connections closed at once, because there were too many. */
  readonly connectionsRefused: number;
}

/** An address at which connections are taken. */
export interface Gate {
  readonly port: number;
  counts(): GateCounts;
  /** Takes no more connections; those that exist remain. */
  close(): void;
}

/**
 * Listens at an address such as "127.0.0.1:4180" or "[::]:4180"; port 0 picks a free port. Rejects if it
 * cannot listen there.
 */
export async function openGate(
  address: string,
  connectionsMax: number,
  take: (socket: Socket) => void,
): Promise<Gate> {
  const [, host, wanted] = /^\[?(.*?)\]?:(\d+)$/.exec(address)!;
  let connections = 0;
  let connectionsRefused = 0;
  const admit = (socket: Socket): void => {
    if (connections >= connectionsMax) {
      connectionsRefused++;
      socket.destroy();
      return;
    }
    connections++;
    socket.on("close", () => connections--);
    take(socket);
  };
  // Sockets that share an address do not notice who else does: the first, alone, finds out.
  const alone = await listen({ host: host!, port: Number(wanted) }, () => undefined);
  const { port } = alone.address() as AddressInfo;
  await new Promise((resolve) => alone.close(resolve));
  const options = { host: host!, port, backlog: BACKLOG, reusePort: true };
  // Where the system has no such sockets, one has to do.
  const first = await listen(options, admit).catch(() => listen({ ...options, reusePort: false }, admit));
  const listeners = [first];
  const others = Array.from({ length: LISTENERS - 1 }, () => listen(options, admit).catch(() => null));
  for (const other of await Promise.all(others)) if (other !== null) listeners.push(other);
  return {
    port,
    counts: () => ({ connections, connectionsRefused }),
    close: () => {
      for (const listener of listeners) listener.close();
    },
  };
}

function listen(options: ListenOptions, admit: (socket: Socket) => void): Promise<Server> {
  const server = createServer({ noDelay: true }, admit);
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(options, () => {
      server.off("error", reject);
      resolve(server);
    });
  });
}
