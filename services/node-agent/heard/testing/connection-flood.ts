// A process that opens connections to itself and closes them, as many as it can, until its channel is closed.

import { once } from "node:events";
import type { AddressInfo } from "node:net";
import { createConnection, createServer } from "node:net";

/** Connections at the same time. */
const PARALLEL = 100;

const server = createServer((socket) => socket.resume().on("error", () => undefined));
server.listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;

async function keepOpening(): Promise<void> {
  while (process.connected) {
    const socket = createConnection(port, "127.0.0.1", () => socket.end()).resume();
    // The ports may be used up.
    await once(socket, "close").catch(() => undefined);
  }
}

const opening = Array.from({ length: PARALLEL }, () => keepOpening());
process.send!("opening");
await Promise.all(opening);
server.close();
