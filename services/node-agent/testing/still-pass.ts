// Run by still-pass.test.ts in pid and network namespaces of its own, where nothing else moves: passes with a clock that is
// set by hand, and what was read in each. Ends with an error where a pass reads too much or too little.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";

import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { NO_DIGEST } from "../kernel/testing/no-digest.ts";
import { SocketIterator } from "../kernel/socket-iterator.ts";
import { createAgent } from "../pipeline.ts";
import { createSocketHolders } from "../processes/fds.ts";
import { createProcessScanner } from "../processes/scan.ts";
import { createTaskSource } from "../processes/task-source.ts";
import { COUNTERS_TICKS } from "../readers/bpf-iter.ts";
import { chooseReader } from "../readers/choose-reader.ts";

const SECOND_MS = 1000;
const DUE_MS = COUNTERS_TICKS * 10;

if (SocketIterator.load().readDigest() === null) process.exit(NO_DIGEST);
execFileSync("ip", ["link", "set", "lo", "up"]);
let nowMs = 0;
let reads = 0;
let reports = 0;
let coverage: NodeCoverage | null = null;
const reader = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => Math.floor(nowMs / 10) });
assert.equal(reader.probe(), null);
const counting = {
  name: reader.name,
  probe: () => reader.probe(),
  isStill: () => reader.isStill!(),
  begin: () => reader.begin!(),
  read: (...of: Parameters<typeof reader.read>) => {
    reads++;
    return reader.read(...of);
  },
  limits: () => reader.limits(),
  held: () => reader.held!(),
};
const agent = createAgent(
  {
    origin: { node: "still", bootId: "boot", epoch: 1 },
    processes: createProcessScanner({ procRoot: "/proc", tasks: createTaskSource() }),
    reader: counting,
    holders: createSocketHolders({ procRoot: "/proc", held: () => reader.held!() }),
    sink: {
      publish: () => {
        reports++;
        return Promise.resolve();
      },
    },
    pods: null,
    elapsedMs: () => nowMs,
    onPass: (latest) => (coverage = latest),
  },
  { intervalMs: SECOND_MS, keyframeMs: 1e9, cpuShare: null },
);

// Whether a pass so much later reads anything.
async function readsAfter(ms: number): Promise<boolean> {
  nowMs += ms;
  reads = 0;
  await agent.pass();
  return reads > 0;
}

// Until what moved lately is no longer looked for in each pass.
async function settle(): Promise<void> {
  for (let passes = 0; passes < 3; passes++) await readsAfter(DUE_MS);
  // Passes so far apart leave no digest behind.
  await readsAfter(SECOND_MS);
  assert.equal(await readsAfter(SECOND_MS), false, "nothing moved");
}

assert.equal(await readsAfter(0), true, "the first pass reads");
await settle();
const [told, before] = [reports, coverage!];
assert.equal(await readsAfter(SECOND_MS), false);
assert.equal(reports, told + 1, "a pass that reads nothing reports all the same");
assert.equal(coverage!.sockets, before.sockets);
assert.equal(coverage!.intervalMs, SECOND_MS);
assert.equal(await readsAfter(DUE_MS), true, "counters and data are looked at though nothing moved");

const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
await once(server, "listening");
assert.equal(await readsAfter(SECOND_MS), true, "a socket came");
assert.equal(coverage!.sockets, before.sockets + 1);
await settle();

// A process that holds a socket and becomes another program.
const { port } = server.address() as AddressInfo;
const holder = spawn("bash", ["-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; echo; read; exec cat`]);
await Promise.all([once(server, "connection"), once(holder.stdout, "data")]);
assert.equal(await readsAfter(SECOND_MS), true, "a connection came");
await settle();
holder.stdin.write("\necho\n");
await once(holder.stdout, "data");
assert.equal(await readsAfter(SECOND_MS), true, "its program changed");
await settle();
holder.kill();
await once(holder, "close");
assert.equal(await readsAfter(SECOND_MS), true, "it ended");
process.exit(0);
