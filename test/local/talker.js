// A process that talks: opens the sockets in its arguments, prints one JSON line per socket and keeps them
// open until its standard input ends. Plain JavaScript, so that any Node can run it in any namespace.
//   listen-tcp ADDRESS PORT · connect-tcp ADDRESS PORT · listen-udp ADDRESS PORT · connect-udp ADDRESS PORT ·
//   listen-unix PATH · connect-unix PATH

import dgram from "node:dgram";
import net from "node:net";

function say(what) {
  process.stdout.write(`${JSON.stringify({ pid: process.pid, ...what })}\n`);
}

function listen(options) {
  return new Promise((resolve, reject) => {
    const held = new Set();
    const server = net.createServer((socket) => {
      held.add(socket);
      socket.on("error", () => undefined);
      socket.on("data", (data) => socket.write(data));
    });
    server.on("error", reject);
    server.listen(options, () => resolve(say({ listening: server.address() })));
  });
}

function connect(options) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(options);
    socket.on("error", reject);
    // The echo proves that the server has accepted the connection.
    socket.on("connect", () => socket.write("hello"));
    socket.once("data", () => resolve(say({ local: socket.localAddress, port: socket.localPort })));
  });
}

function udp(address) {
  return dgram.createSocket(address.includes(":") ? "udp6" : "udp4");
}

const verbs = {
  "listen-tcp": (host, port) => listen({ host, port: Number(port) }),
  "connect-tcp": (host, port) => connect({ host, port: Number(port) }),
  "listen-unix": (path) => listen({ path }),
  "connect-unix": (path) => connect({ path }),
  "listen-udp": (address, port) =>
    new Promise((resolve) => {
      const socket = udp(address);
      socket.on("message", (data, from) => socket.send(data, from.port, from.address));
      socket.bind(Number(port), address, () => resolve(say({ listening: socket.address() })));
    }),
  "connect-udp": (address, port) =>
    new Promise((resolve) => {
      const socket = udp(address);
      socket.on("message", () => resolve(say({ port: socket.address().port })));
      socket.connect(Number(port), address, () => socket.send("hello"));
    }),
};

const words = process.argv.slice(2);
while (words.length > 0) {
  const verb = words.shift();
  const run = verbs[verb];
  await run(...words.splice(0, run.length));
}
say({ ready: true });
process.stdin.resume();
process.stdin.on("end", () => process.exit(0));
