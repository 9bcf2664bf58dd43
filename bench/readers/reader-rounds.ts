// One reader of ours over the namespaces of the load, in a process of its own: each round reads all of them once.

import { createProcessScanner } from "../../services/node-agent/processes/scan.ts";
import { chooseReader } from "../../services/node-agent/readers/choose-reader.ts";
import type { ReaderName } from "../../services/node-agent/readers/reader-names.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { serveRounds } from "../measure.ts";

const { reader: name, pids } = JSON.parse(process.argv[2]!) as { reader: ReaderName; pids: number[] };
const wanted = new Set(pids);
const start = performance.now();
const reader = chooseReader(name, {
  procRoot: "/proc",
  nowTicks: () => Math.floor((performance.now() - start) / 10),
});
const obstacle = reader.probe();
if (obstacle !== null) throw new Error(`${name}: ${obstacle}`);
// Which processes there are is the scanner's work, and the same for every reader.
const namespaces = createProcessScanner({ procRoot: "/proc" })
  .scan()
  .namespaces.filter((namespace) => namespace.pids.some((pid) => wanted.has(pid)));
const sockets = new SocketTable();

await serveRounds(() => {
  sockets.clear();
  reader.begin?.();
  const sink = { sockets, familySockets: [] };
  for (const [id, namespace] of namespaces.entries()) {
    if (!reader.read(namespace, id, sink).read) throw new Error(`${name}: ${reader.limits().join("; ")}`);
  }
  return Promise.resolve({ sockets: sockets.length });
});
