// Opens loopback connections to its own listener at a steady rate and closes each after a while. Its argument is
// JSON: {"perSecond","livesMs"}. Prints the listener's port, begins once standard input has a line, and prints when
// each connect() was called and from which port. Plain JavaScript: it runs inside a network namespace.

import { once } from "node:events";
import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const { perSecond, livesMs } = JSON.parse(process.argv[2]);

const server = net.createServer((socket) => socket.resume().on("error", () => undefined));
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 });
await once(server, "listening");
const { port } = server.address();
console.log(port);
await once(process.stdin, "data");

const startMs = performance.now();
for (let opened = 0; ; opened++) {
  const waitMs = startMs + (opened * 1000) / perSecond - performance.now();
  if (waitMs > 0) await delay(waitMs);
  // CLOCK_MONOTONIC, which every process of the machine shares.
  const bornNs = process.hrtime.bigint();
  const socket = net.connect({ host: "127.0.0.1", port });
  socket.on("connect", () => {
    console.log(`${bornNs} ${socket.localPort}`);
    setTimeout(() => socket.end(), livesMs);
  });
  socket.on("error", (error) => console.error(error.message));
}
