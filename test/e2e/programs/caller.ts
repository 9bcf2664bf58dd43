// A workload: opens short connections at a steady pace, and counts them. SIGUSR2 pauses and resumes it; once
// the last connection is over after a pause, it prints how many there were, and the ports of those since the
// pause before. Runs with `node --input-type=module-typescript -e`; its argument is JSON:
// {"host","port","perSecond","ends"}: "ends" is "fin" (the server closes first) or "rst" (the client resets
// the connection once it has its answer).

import { lookup } from "node:dns/promises";
import net from "node:net";
import os from "node:os";

const { host, port, perSecond, ends } = JSON.parse(process.argv[1] ?? "{}") as {
  readonly host: string;
  readonly port: number;
  readonly perSecond: number;
  readonly ends: "fin" | "rst";
};

const { address } = await lookup(host); // Resolve once: DNS is not under test.
const payload = `${os.hostname()}\n`.padEnd(100, "x");
const counts = { made: 0, failed: 0 };
// Since the latest pause.
let ports: number[] = [];
let isPaused = true;
let open = 0;

function print(event: string): void {
  console.log(JSON.stringify({ event, ...counts, ports }));
  ports = [];
}

function call(): void {
  open++;
  const socket = net.connect({ host: address, port });
  let connected = false;
  socket.on("connect", () => {
    connected = true;
    ports.push(socket.localPort ?? 0);
    socket.write(payload);
  });
  socket.on("data", () => {
    if (ends === "rst") socket.resetAndDestroy();
  });
  socket.on("error", () => socket.destroy());
  socket.on("close", () => {
    counts[connected ? "made" : "failed"]++;
    open--;
    if (isPaused && open === 0) print("paused");
  });
}

setInterval(() => {
  if (!isPaused) call();
}, 1000 / perSecond);

process.on("SIGUSR2", () => {
  isPaused = !isPaused;
  if (isPaused && open === 0) print("paused");
});
process.on("SIGTERM", () => process.exit(0));
print("ready");
