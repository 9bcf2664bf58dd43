import assert from "node:assert/strict";
import { once } from "node:events";
import { connect } from "node:net";
import type { Socket } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";

import { until } from "../../../lib/testing/eventually.ts";
import { openGate } from "./gate.ts";

function dial(t: TestContext, port: number): Socket {
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  t.after(() => socket.destroy());
  return socket;
}

test("a connection beyond the limit is closed and counted, and one that ends makes room", async (t) => {
  const taken: Socket[] = [];
  const gate = await openGate("127.0.0.1:0", 2, (socket) => taken.push(socket));
  t.after(() => gate.close());
  const first = dial(t, gate.port);
  dial(t, gate.port);
  await until("both are taken", () => gate.counts().connections === 2);
  await once(dial(t, gate.port), "close");
  assert.deepEqual(gate.counts(), { connections: 2, connectionsRefused: 1 });
  first.destroy();
  for (const socket of taken) socket.resume();
  await until("the first has ended", () => gate.counts().connections === 1);
  dial(t, gate.port);
  await until("another is taken", () => taken.length === 3);
});

test("a crowd of connections is accepted in a few rounds of a busy event loop", async (t) => {
  let taken = 0;
  let rounds = 0;
  const gate = await openGate("127.0.0.1:0", 1000, () => taken++);
  t.after(() => gate.close());
  for (let number = 0; number < 200; number++) dial(t, gate.port);
  const busy = setInterval(() => {
    if (taken < 200) rounds++;
    for (const endMs = performance.now() + 20; performance.now() < endMs;);
  }, 0);
  t.after(() => clearInterval(busy));
  await until("all are taken", () => taken === 200, 30_000);
  assert.ok(rounds < 100, `${rounds} rounds`);
});
