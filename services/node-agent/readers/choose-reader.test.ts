import assert from "node:assert/strict";
import { test } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import type { NamespaceRecord, SocketReader } from "../observation.ts";
import { chainReaders, chooseReader } from "./choose-reader.ts";

const namespace: NamespaceRecord = { inode: 1, host: true, pids: [process.pid] };
const options = { procRoot: "/proc", nowTicks: () => 0 };

// Readers that fail on purpose: a real kernel does not fail on request.
function faulty(name: string, works: () => boolean, obstacle: string | null = null): SocketReader {
  return {
    name,
    probe: () => obstacle,
    limits: () => (works() ? [] : [`${name} is broken`]),
    read: () => ({
      read: works(),
      linesMalformed: 0,
      overflowed: 0,
      addresses: [],
      tcpCounters: null,
      unheldRead: works(),
    }),
  };
}

function pass(reader: SocketReader): boolean {
  reader.begin?.();
  return reader.read(namespace, 0, { sockets: new SocketTable(), familySockets: [] }).read;
}

test("the first reader that works is taken, with the reasons why no better one is", () => {
  const chain = chainReaders([
    faulty("a", () => true, "it is forbidden"),
    faulty("b", () => true),
    faulty("c", () => true, "not of interest"),
  ]);
  assert.deepEqual([chain.name, chain.probe()], ["b", null]);
  assert.deepEqual(chain.limits(), ["The reader a cannot work here: it is forbidden"]);
});

test("if none works the reasons are reported", () => {
  const chain = chainReaders([faulty("a", () => true, "no a"), faulty("b", () => true, "no b")]);
  assert.match(chain.probe()!, /a cannot work here: no a; .* b cannot work here: no b/);
});

test("a reader that fails hands over, for the pass first and then for good", () => {
  let works = true;
  const chain = chainReaders([faulty("a", () => works), faulty("b", () => true)]);
  assert.equal(pass(chain), true);
  works = false;
  assert.equal(pass(chain), true);
  assert.equal(chain.name, "a");
  assert.match(chain.limits().join(), /a is broken.*1 network namespaces were read by another reader/);
  for (let i = 0; i < 3; i++) assert.equal(pass(chain), true);
  assert.equal(chain.name, "b");
  assert.deepEqual(chain.limits(), ["The reader a works no longer: a is broken"]);
});

test("a namespace that no reader can read does not change the reader", () => {
  const chain = chainReaders([faulty("a", () => false), faulty("b", () => false)]);
  for (let i = 0; i < 9; i++) assert.equal(pass(chain), false);
  assert.equal(chain.name, "a");
});

test("one that is asked for is taken alone, and a saved tree is for procfs", () => {
  assert.equal(chooseReader("procfs", options).name, "procfs");
  assert.equal(chooseReader("sock-diag", options).name, "sock-diag");
  assert.match(
    chooseReader("sock-diag", { ...options, procRoot: "/sys" }).probe()!,
    /not the running kernel's/,
  );
  const saved = chooseReader("auto", { ...options, procRoot: "/sys" });
  assert.deepEqual([saved.name, saved.limits()], ["procfs", []]);
});

test("on this machine some reader works", () => {
  const reader = chooseReader("auto", options);
  assert.equal(reader.probe(), null);
  assert.equal(pass(reader), true);
});
