// Our whole pass over the namespaces of the load, from the tables to encoded reports.

import { ticksOf } from "../../lib/ticks.ts";
import { createNodeAgent } from "../../services/node-agent/node-agent.ts";
import { createProcessScanner } from "../../services/node-agent/processes/scan.ts";
import { createProcfsReader } from "../../services/node-agent/readers/procfs.ts";
import { serveRounds } from "../measure.ts";

const pids = new Set(JSON.parse(process.argv[2]!) as number[]);
const start = performance.now();
const elapsedMs = (): number => performance.now() - start;
const scanner = createProcessScanner({ procRoot: "/proc" });
let bytes = 0;

const agent = createNodeAgent(
  { node: "bench", procRoot: "/proc", reader: "procfs", conntrack: "none", events: "off" },
  {
    processes: {
      // Only the load's namespaces: whatever else runs on this machine is not compared.
      scan() {
        const scan = scanner.scan();
        return {
          ...scan,
          namespaces: scan.namespaces.filter((namespace) => namespace.pids.some((pid) => pids.has(pid))),
        };
      },
    },
    reader: createProcfsReader({
      procRoot: "/proc",
      littleEndian: true,
      nowTicks: () => ticksOf(elapsedMs()),
      unixPeers: true,
    }),
    sink: {
      publish(report) {
        bytes += report.length;
        return Promise.resolve();
      },
    },
    flows: null,
    destroyed: null,
    elapsedMs,
  },
  { intervalMs: 1000, keyframeMs: Number.POSITIVE_INFINITY, cpuShare: null },
);

await serveRounds(async () => {
  bytes = 0;
  await agent.pass();
  return { bytes };
});
