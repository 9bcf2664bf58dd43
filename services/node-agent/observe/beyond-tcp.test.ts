import assert from "node:assert/strict";
import { it } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { hasMovedBeyondTcp } from "./beyond-tcp.ts";

// Rows by their ids.
function tableOf(rows: Readonly<Record<number, number>>): SocketTable {
  const table = new SocketTable(4);
  for (const [id, protocol] of Object.entries(rows)) {
    const row = table.append();
    table.id[row] = Number(id);
    table.protocol[row] = protocol;
  }
  return table;
}

const { tcp, udp } = Protocol;

it("TCP sockets that come and go are no news", () => {
  const previous = tableOf({ 1: tcp, 2: udp });
  const next = tableOf({ 2: udp, 3: tcp });
  const settled = { continued: Uint8Array.of(0, 1), added: new Set([3]) };
  assert.equal(hasMovedBeyondTcp(previous, next, settled), false);
});

it("another socket that comes or goes is", () => {
  const both = tableOf({ 1: tcp, 2: udp });
  const one = tableOf({ 1: tcp });
  assert.equal(hasMovedBeyondTcp(one, both, { continued: Uint8Array.of(1), added: new Set([2]) }), true);
  assert.equal(hasMovedBeyondTcp(both, one, { continued: Uint8Array.of(1, 0), added: new Set() }), true);
});

it("nothing moved if every row continues", () => {
  const table = tableOf({ 1: tcp, 2: udp });
  assert.equal(hasMovedBeyondTcp(table, table, { continued: null, added: new Set() }), false);
});
