// Holds a number of loopback connections, given as argument, to its own listener until it is killed. Prints
// its pid once all are open. Plain JavaScript: it runs inside network namespaces.

import net from "node:net";

const connections = Number(process.argv[2]);
const AT_ONCE = 256;

const held = [];
const server = net.createServer((socket) => held.push(socket.on("error", () => undefined)));
server.listen({ host: "127.0.0.1", port: 0, backlog: 4096 }, async () => {
  const { port } = server.address();
  for (let opened = 0; opened < connections; opened += AT_ONCE) {
    const batch = Array.from(
      { length: Math.min(AT_ONCE, connections - opened) },
      () =>
        new Promise((resolve, reject) => {
          const socket = net.connect({ host: "127.0.0.1", port }, resolve).on("error", reject);
          held.push(socket);
        }),
    );
    await Promise.all(batch);
  }
  console.log(process.pid);
});
