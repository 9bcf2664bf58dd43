// Runs in a pod: opens connections one after the other at uneven intervals, keeps them, and prints when each
// socket was created. Its last argument is JSON: {"host","port","connections","pauseMs":[least,most]}.

import net from "node:net";
import { setTimeout as delay } from "node:timers/promises";

const { host, port, connections, pauseMs } = JSON.parse(process.argv.at(-1));
process.on("SIGTERM", () => process.exit());

for (let number = 0; number < connections; number++) {
  const bornMs = Date.now();
  const socket = net.connect({ host, port });
  socket.on("connect", () =>
    console.log(JSON.stringify({ bornMs, ip: socket.localAddress, port: socket.localPort })),
  );
  socket.on("error", (error) => console.log(`${error.message}`));
  await delay(pauseMs[0] + Math.random() * (pauseMs[1] - pauseMs[0]));
}
// The connections keep the process alive.
