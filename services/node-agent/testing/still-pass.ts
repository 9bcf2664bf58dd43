// Run by still-pass.test.ts in pid and network namespaces of its own, where nothing else moves: passes with a
// clock that is set by hand, and checks what each of them reads.

import assert from "node:assert/strict";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";

import type { NodeCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { check, checksDone, checksImpossible } from "../../../lib/testing/child-checks.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { TICK_MS, ticksOf } from "../../../lib/ticks.ts";
import { SocketIterator } from "../kernel/bpf/socket-iterator.ts";
import type { SocketSink } from "../observation.ts";
import { createNodeAgent } from "../node-agent.ts";
import { COUNTERS_TICKS } from "../readers/bpf-iter.ts";
import { chooseReader } from "../readers/choose-reader.ts";

const SECOND_MS = 1000;
const DUE_MS = COUNTERS_TICKS * TICK_MS;

if (SocketIterator.load().readDigest() === null)
  checksImpossible("this kernel has no digest of sockets (it came with 5.11)");
execFileSync("ip", ["link", "set", "lo", "up"]);
let nowMs = 0;
let reads = 0;
let reports = 0;
let lastSink: SocketSink = { sockets: new SocketTable(1), familySockets: [] };
let coverage: NodeCoverage | null = null;
const reader = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => ticksOf(nowMs) });
assert.equal(reader.probe(), null);
const counting = {
  name: reader.name,
  probe: () => reader.probe(),
  isStill: () => reader.isStill!(),
  begin: () => reader.begin!(),
  read: (...of: Parameters<typeof reader.read>) => {
    reads++;
    lastSink = of[2];
    return reader.read(...of);
  },
  limits: () => reader.limits(),
  held: () => reader.held!(),
};
const agent = createNodeAgent(
  { node: "still", procRoot: "/proc", reader: "bpf-iter", conntrack: "none", events: "off" },
  {
    reader: counting,
    sink: {
      publish: () => {
        reports++;
        return Promise.resolve();
      },
    },
    flows: null,
    destroyed: null,
    elapsedMs: () => nowMs,
    onPass: (latest) => (coverage = latest),
  },
  { intervalMs: SECOND_MS, keyframeMs: 1e9, cpuShare: null },
);

// Runs a pass so much later; returns whether it read anything.
async function readsAfter(ms: number): Promise<boolean> {
  nowMs += ms;
  reads = 0;
  await agent.pass();
  return reads > 0;
}

const readsNext = (what: string): Promise<void> =>
  check(what, async () => assert.equal(await readsAfter(SECOND_MS), true));

// Passes until recent changes no longer make each pass read.
async function settle(): Promise<void> {
  for (let passes = 0; passes < 3; passes++) await readsAfter(DUE_MS);
  // Passes so far apart leave no digest behind.
  await readsAfter(SECOND_MS);
  assert.equal(await readsAfter(SECOND_MS), false, "a pass reads although nothing changed");
}

await check("the first pass reads", async () => assert.equal(await readsAfter(0), true));
await check("passes settle", settle);
const [reported, before] = [reports, coverage!];
await check("a pass in which nothing changed reads nothing and reports all the same", async () => {
  assert.equal(await readsAfter(SECOND_MS), false);
  assert.equal(reports, reported + 1);
  assert.equal(coverage!.sockets, before.sockets);
  assert.equal(coverage!.intervalMs, SECOND_MS);
});
await check("counters and data are read when they are due", async () =>
  assert.equal(await readsAfter(DUE_MS), true),
);

const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
await once(server, "listening");
await readsNext("a new socket is read");
await check("and counted", () => assert.equal(coverage!.sockets, before.sockets + 1));
await check("passes settle after a new socket", settle);

// A process that holds a socket and becomes another program.
const { port } = server.address() as AddressInfo;
const holder = spawn("bash", ["-c", `exec 3<>/dev/tcp/127.0.0.1/${port}; echo; read; exec cat`]);
await Promise.all([once(server, "connection"), once(holder.stdout, "data")]);
await readsNext("a new connection is read");
await check("passes settle after a connection", settle);
holder.stdin.write("\necho\n");
await once(holder.stdout, "data");
await readsNext("a holder that became another program is read");
await check("passes settle after another program", settle);
holder.kill();
await once(holder, "close");
await readsNext("the end of a holder is read");
await check("and what it held is gone", () => {
  const { sockets } = lastSink;
  for (let row = 0; row < sockets.length; row++)
    assert.ok(sockets.inode[row] === 0 || sockets.remotePort[row] !== port, "its socket is still there");
});
checksDone();
