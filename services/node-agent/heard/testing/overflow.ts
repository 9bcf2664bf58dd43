// Run by overflow.test.ts in pid and network namespaces of its own: an agent whose ring buffer holds six
// connections hears hundreds at a time. What it could not hear the next pass must read, and what nothing has
// seen is counted.

import assert from "node:assert/strict";

import fc from "fast-check";

import { check, checksDone } from "../../../../lib/testing/child-checks.ts";
import "../../../../test/property-seed.ts";
import { differingTables } from "./agreement.ts";
import type { FoldedSocket } from "../../testing/socket-of-row.ts";
import { HearingAgent } from "./hearing-agent.ts";
import { kernelOpened } from "./kernel-sockets.ts";
import { prepareNamespace } from "./namespace-setup.ts";
import { anyBatch } from "./operations.ts";
import { Workload } from "./workload.ts";

const RING_BYTES = 4096;
const BATCHES = 6;
const BATCH_OPERATIONS = 150;

const { seed = 0 } = fc.readConfigureGlobal();
const batches = fc.sample(anyBatch(BATCH_OPERATIONS), { numRuns: BATCHES, seed });

prepareNamespace();
await using workload = await Workload.start(3);
await using agent = new HearingAgent({ ringBytes: RING_BYTES });
const { folded } = agent;
let openedBefore = 0;
let endsBefore = 0;

const isEnd = ({ remote, state }: FoldedSocket): boolean => !remote.endsWith(":0") && state !== "SYN_RECV";

// Ends of connections, those that are over among them.
function reportedEnds(): number {
  return [...folded.sockets.values(), ...folded.ended].filter((socket) => isEnd(socket)).length;
}

// What was seen and what was not is what the kernel opened, once a pass has compared them; no end is seen
// twice.
async function accountForAll(): Promise<void> {
  await agent.pass();
  const { seen, unseen, openedByKernel } = folded.coverage!;
  assert.deepEqual([openedByKernel, seen + unseen], [kernelOpened() - openedBefore, openedByKernel]);
  assert.equal(seen, reportedEnds() - endsBefore);
}

// A pass may begin before the last records are lost: the one after it reads everything.
async function readAgain(): Promise<void> {
  await agent.pass();
  await agent.pass();
  assert.deepEqual(await differingTables(folded, true), null);
  assert.deepEqual(folded.contradictions, []);
}

await check("the first pass reads what there is", async () => {
  await workload.perform(batches[0]!.operations, null);
  await readAgain();
  openedBefore = kernelOpened();
  endsBefore = reportedEnds();
});
for (const [number, { operations }] of batches.slice(1).entries()) {
  await check(`records are lost, and the next pass reads everything (${number + 1})`, async () => {
    const { lost } = agent;
    await workload.perform(operations, null);
    await readAgain();
    assert.ok(folded.coverage!.eventsLost > lost, "nothing was lost");
    await accountForAll();
  });
}
await check("everything ends", async () => {
  await workload.closeAll();
  await readAgain();
  const living = [...folded.sockets.values()].filter(({ isTimeWait }) => !isTimeWait);
  assert.deepEqual(living, []);
  await accountForAll();
});
await check("connections that nothing has seen are unseen", () => assert.ok(folded.coverage!.unseen > 0));
await check("what was missed is counted", () => assert.ok(folded.coverage!.eventsMissed > 0));
checksDone();
