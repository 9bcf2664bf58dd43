// A workload of the claims: accepts on a port and answers what it is sent, until it is stopped. Runs by
// `node --input-type=module-typescript -e`, in a pod or on a host outside; its argument is JSON: {"host","port"}.

import net from "node:net";

const { host, port } = JSON.parse(process.argv[1] ?? "{}") as { host: string; port: number };

const server = net.createServer((socket) => {
  socket.on("error", () => socket.destroy());
  socket.pipe(socket);
});
server.listen(port, host, () => console.log(JSON.stringify({ event: "listening" })));
process.on("SIGTERM", () => process.exit(0));
