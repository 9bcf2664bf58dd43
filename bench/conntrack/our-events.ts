// Listens to a namespace's conntrack as the agent does: events, re-dumps, and each second the flows that
// changed. Listens from one line on standard input to the next, then reports what arrived.

import { createInterface } from "node:readline";

import { flowSourceOf, taken } from "../../services/node-agent/conntrack/testing/flows.ts";

const pid = JSON.parse(process.argv[2]!) as number;
const INTERVAL_MS = 1000;

async function listen(end: Promise<unknown>): Promise<Record<string, number>> {
  const source = flowSourceOf(pid, "events", () => performance.now());
  await source.refresh();
  taken(source);
  const before = process.cpuUsage();
  let added = 0;
  let removed = 0;
  const pass = async (): Promise<void> => {
    await source.refresh();
    const changes = taken(source);
    added += changes.added.length;
    removed += changes.removed.length;
  };
  const timer = setInterval(() => void pass(), INTERVAL_MS);
  console.log("{}");
  await end;
  clearInterval(timer);
  await pass();
  const { user, system } = process.cpuUsage(before);
  const { events, overruns, overflowed } = source;
  source.close();
  return { cpuMs: (user + system) / 1000, added, removed, events, overruns, overflowed };
}

const lines = createInterface(process.stdin)[Symbol.asyncIterator]();
while (!(await lines.next()).done) console.log(JSON.stringify(await listen(lines.next())));
