// The spec reporter, followed by every skipped test with its reason and one line of totals: what a run did not
// test must be as visible as what failed.

import { Readable } from "node:stream";
import type { TestEvent } from "node:test/reporters";
import { spec as Spec } from "node:test/reporters";

interface Totals {
  passed: number;
  failed: number;
  skipped: string[];
}

// Node loads a reporter by its default export.
// oxlint-disable-next-line import/no-default-export
export default async function* reporter(events: AsyncIterable<TestEvent>): AsyncGenerator<string> {
  const totals: Totals = { passed: 0, failed: 0, skipped: [] };
  const spec = new Spec();
  for await (const text of Readable.from(counted(events, totals)).pipe(spec)) yield String(text);
  for (const line of totals.skipped) yield `SKIP ${line}\n`;
  yield `${totals.passed} passed, ${totals.failed} failed, ${totals.skipped.length} skipped\n`;
}

async function* counted(events: AsyncIterable<TestEvent>, totals: Totals): AsyncGenerator<TestEvent> {
  for await (const event of events) {
    count(event, totals);
    yield event;
  }
}

function count(event: TestEvent, totals: Totals): void {
  if (event.type !== "test:pass" && event.type !== "test:fail") return;
  const { name, skip, details } = event.data;
  if (skip !== undefined && skip !== false) {
    totals.skipped.push(typeof skip === "string" ? `${name}: ${skip}` : name);
  } else if (details.type !== "suite") {
    if (event.type === "test:pass") totals.passed++;
    else totals.failed++;
  }
}
