// Ours: a whole pass of the agent over the namespaces of the load, from the tables to encoded reports.

import { ticksOf } from "../../lib/ticks.ts";
import { createAgent } from "../../services/node-agent/pipeline.ts";
import { createSocketHolders } from "../../services/node-agent/processes/fds.ts";
import { createProcessScanner } from "../../services/node-agent/processes/scan.ts";
import { createProcfsReader } from "../../services/node-agent/readers/procfs.ts";
import { serveRounds } from "../measure.ts";

const pids = new Set(JSON.parse(process.argv[2]!) as number[]);
const start = performance.now();
const elapsedMs = (): number => performance.now() - start;
const scanner = createProcessScanner({ procRoot: "/proc" });
let bytes = 0;

const agent = createAgent(
  {
    origin: { node: "bench", bootId: "bench", epoch: 1 },
    processes: {
      // The load's namespaces only: what else this machine runs is not part of the comparison.
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
    holders: createSocketHolders({ procRoot: "/proc" }),
    sink: {
      publish(report) {
        bytes += report.length;
        return Promise.resolve();
      },
    },
    pods: null,
    elapsedMs,
  },
  { intervalMs: 1000, keyframeMs: Number.POSITIVE_INFINITY, cpuShare: null },
);

await serveRounds(async () => {
  bytes = 0;
  await agent.pass();
  return { bytes };
});
