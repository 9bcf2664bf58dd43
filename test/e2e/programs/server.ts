// A workload of the claims: echoes on a port, by TCP and optionally by UDP, until it is stopped. It prints
// which clients it saw and how each identified itself, so that a claim knows this side's truth too. Runs with
// `node --input-type=module-typescript -e`, in a pod or on a host outside; its argument is JSON:
// {"host","port","udp"}; with "briefMs" it answers once after this time and closes the connection, and prints
// only how many connections each caller made.

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

/** Connections of each caller, by the first line that it sends. */
const counts = new Map<string, number>();
const countMs = 200;
let counting: NodeJS.Timeout | undefined;

/** Counts a connection, and prints the counts soon. */
function count(caller: string): void {
  counts.set(caller, (counts.get(caller) ?? 0) + 1);
  counting ??= setTimeout(() => {
    counting = undefined;
    tell("counts", { counts: Object.fromEntries(counts) });
  }, countMs);
}

const server = net.createServer((socket) => {
  const own = { protocol: "tcp", ip: plain(socket.localAddress), port: socket.localPort };
  const seen = { ...own, remoteIp: plain(socket.remoteAddress), remotePort: socket.remotePort };
  let told = false;
  socket.on("error", () => socket.destroy());
  socket.on("data", (data) => {
    const caller = data.toString().split("\n")[0] ?? "";
    if (briefMs !== undefined) {
      if (!told) count(caller);
      told = true;
      return void setTimeout(() => socket.end(data), briefMs);
    }
    if (!told) tell("open", { ...seen, caller });
    told = true;
    socket.write(data);
    return undefined;
  });
  socket.on("close", () => told && briefMs === undefined && tell("close", seen));
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
