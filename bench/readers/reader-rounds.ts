// One of our readers on the namespaces of the load, in its own process: each round reads all of them once.

import { endianness } from "node:os";

import { ticksOf } from "../../lib/ticks.ts";
import type { SocketReader } from "../../services/node-agent/observation.ts";
import { createProcessScanner } from "../../services/node-agent/processes/scan.ts";
import { chooseReader } from "../../services/node-agent/readers/choose-reader.ts";
import { createProcfsReader } from "../../services/node-agent/readers/procfs.ts";
import type { ReaderName } from "../../lib/vocabulary/reader-names.ts";
import { createSockDiagReader } from "../../services/node-agent/readers/sock-diag.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { serveRounds } from "../measure.ts";

const {
  reader: name,
  pids,
  quiet,
} = JSON.parse(process.argv[2]!) as {
  reader: ReaderName;
  pids: number[];
  /** Whether an unchanged namespace may be skipped. */
  quiet: boolean;
};
const wanted = new Set(pids);
const start = performance.now();
const options = { procRoot: "/proc", nowTicks: () => ticksOf(performance.now() - start) };
const reader = quiet ? chooseReader(name, options) : wholeReader(name);
const obstacle = reader.probe();
if (obstacle !== null) throw new Error(`${name}: ${obstacle}`);
// Finding processes is the scanner's work, and the same for every reader.
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

// Reads every namespace in each round. The iterator always reports every socket.
function wholeReader(whole: ReaderName): SocketReader {
  switch (whole) {
    case "bpf-iter":
      return chooseReader(whole, options);
    case "sock-diag":
      return createSockDiagReader(options);
    case "procfs":
      return createProcfsReader({ ...options, littleEndian: endianness() === "LE", unixPeers: true });
  }
}
