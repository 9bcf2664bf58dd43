// A workload of the claims: keeps connections open and says on stdout which it has, so that a claim knows the truth.
// Runs by `node --input-type=module-typescript -e`; its argument is JSON: a list of targets
// {"host","port","family","count","livesMs"}. A connection that is lost, or has lived `livesMs`, is opened anew.

import net from "node:net";

interface Target {
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
  readonly count: number;
  readonly livesMs?: number;
}

const targets = JSON.parse(process.argv[1] ?? "[]") as Target[];
const retryMs = 300;
const talkMs = 1000;

/** A first packet that a firewall dropped is not repeated by the kernel for seconds: it is faster to begin anew. */
const connectMs = 2000;

function tell(event: "open" | "close", connection: object): void {
  console.log(JSON.stringify({ event, atMs: Date.now(), ...connection }));
}

function open(target: Target): void {
  const socket = net.connect({ host: target.host, port: target.port, family: target.family });
  let ends: NodeJS.Timeout | undefined;
  let told: object | undefined;
  const talk = setInterval(() => socket.write("."), talkMs);
  socket.setKeepAlive(true);
  const connecting = setTimeout(() => socket.destroy(), connectMs);
  socket.on("connect", () => {
    clearTimeout(connecting);
    told = {
      ip: socket.localAddress,
      port: socket.localPort,
      remoteIp: socket.remoteAddress,
      remotePort: socket.remotePort,
    };
    tell("open", told);
    if (target.livesMs !== undefined) ends = setTimeout(() => socket.end(), target.livesMs);
  });
  socket.on("data", () => undefined);
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    clearInterval(talk);
    clearTimeout(connecting);
    clearTimeout(ends);
    if (told !== undefined) tell("close", told);
    setTimeout(() => open(target), retryMs);
  });
}

for (const target of targets) for (let index = 0; index < target.count; index++) open(target);
process.on("SIGTERM", () => process.exit(0));
