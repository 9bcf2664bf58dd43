// A workload of the claims: echoes on a port, by TCP and optionally by UDP, until it is stopped. It prints
// which clients it saw and how each identified itself, so that a claim knows this side's truth too. Runs with
// `node --input-type=module-typescript -e`, in a pod or on a host outside; its argument is JSON:
// {"host","port","udp"}; with "briefMs" it answers once after this time, closes the connection and prints
// nothing.

import dgram from "node:dgram";
import net from "node:net";

const argument = JSON.parse(process.argv[1] ?? "{}") as {
  host: string;
  port: number;
  udp?: boolean;
  briefMs?: number;
};
const { host, port, briefMs } = argument;

function tell(event: string, what: object = {}): void {
  console.log(JSON.stringify({ event, atMs: Date.now(), ...what }));
}

/** Converts IPv4-mapped addresses to IPv4, since one socket serves both families. */
function plain(address = ""): string {
  return address.replace(/^::ffff:(?=[0-9.]+$)/, "");
}

const server = net.createServer((socket) => {
  const own = { protocol: "tcp", ip: plain(socket.localAddress), port: socket.localPort };
  const seen = { ...own, remoteIp: plain(socket.remoteAddress), remotePort: socket.remotePort };
  let told = false;
  socket.on("error", () => socket.destroy());
  socket.on("data", (data) => {
    if (briefMs !== undefined) return void setTimeout(() => socket.end(data), briefMs);
    if (!told) tell("open", { ...seen, caller: data.toString().split("\n")[0] });
    told = true;
    socket.write(data);
    return undefined;
  });
  socket.on("close", () => told && tell("close", seen));
});
server.listen(port, host, () => tell("listening"));

if (argument.udp === true) {
  const callers = new Set<string>();
  const datagrams = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  datagrams.on("message", (message, { address, port: remotePort }) => {
    const remoteIp = plain(address);
    const caller = message.toString().split("\n")[0];
    if (!callers.has(`${remoteIp} ${remotePort} ${caller}`)) {
      tell("open", { protocol: "udp", ip: "", port, remoteIp, remotePort, caller });
    }
    callers.add(`${remoteIp} ${remotePort} ${caller}`);
    datagrams.send(message, remotePort, address);
  });
  datagrams.bind(port, host);
}
process.on("SIGTERM", () => process.exit(0));
