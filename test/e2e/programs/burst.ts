// A workload of the claims: opens many short connections and prints how many there were. The server closes
// each one first, so that the same ports can be reused at once. Runs with `node --input-type=module-typescript
// -e`; its argument is JSON: {"host","port","family","count","rounds","pauseMs","paceMs","caller"}: `count`
// connections, a new one every `paceMs` or ten at a time, `rounds` times with a pause in between. Each sends
// 100 bytes that begin with a line naming the caller, by default its host name (the pod's name).

import { lookup } from "node:dns/promises";
import net from "node:net";
import os from "node:os";
import { setTimeout as delay } from "node:timers/promises";

interface Burst {
  readonly host: string;
  readonly port: number;
  readonly family: 4 | 6;
  readonly count: number;
  readonly rounds: number;
  readonly pauseMs: number;
  readonly paceMs: number;
  readonly caller?: string;
}

const burst = JSON.parse(process.argv[1] ?? "{}") as Burst;
const atOnce = 10;
const payload = `${burst.caller ?? os.hostname()}\n`.padEnd(100, "x");
const { address } = await lookup(burst.host, { family: burst.family }); // Resolve once: DNS is not under test.
const told = { made: 0, failed: 0 };

/** Makes one connection; returns whether it was established. */
function call(): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect({ host: address, port: burst.port });
    let connected = false;
    socket.on("connect", () => {
      connected = true;
      socket.write(payload);
    });
    socket.on("data", () => undefined);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => resolve(connected));
  });
}

async function callAgain(times: number): Promise<void> {
  for (let index = 0; index < times; index++) {
    told[(await call()) ? "made" : "failed"]++;
    if (burst.paceMs > 0) await delay(burst.paceMs);
  }
}

// The Service may have no endpoints at first.
while (!(await call())) await delay(100);
told.made++;
for (let round = 0; round < burst.rounds; round++) {
  if (round > 0) await delay(burst.pauseMs);
  const startMs = performance.now();
  const first = round === 0 ? 1 : 0;
  if (burst.paceMs > 0) await callAgain(burst.count - first);
  else {
    await callAgain((burst.count % atOnce) + (first === 1 ? atOnce - 1 : 0));
    const each = Math.floor(burst.count / atOnce) - first;
    await Promise.all(Array.from({ length: atOnce }, () => callAgain(each)));
  }
  console.log(
    JSON.stringify({ event: "round", round, ...told, tookMs: Math.round(performance.now() - startMs) }),
  );
}
console.log(JSON.stringify({ event: "done", ...told }));
if (burst.rounds > 1) setInterval(() => undefined, 1000);
