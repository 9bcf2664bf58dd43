import assert from "node:assert/strict";
import { describe, it } from "node:test";

import { emptyTcpTables, parseTcpSockets } from "./net-sockstat.ts";

const SOCKSTAT = "sockets: used 29\nTCP: inuse 3 orphan 0 tw 2 alloc 4 mem 0\nUDP: inuse 0 mem 0\n";
const SOCKSTAT6 = "TCP6: inuse 1\nUDP6: inuse 0\n";

describe("counts of TCP sockets", () => {
  it("come from both files", () => {
    assert.deepEqual(parseTcpSockets(SOCKSTAT, SOCKSTAT6), { ipv4: 3, ipv6: 1, timeWait: 2 });
  });

  for (const [what, ipv4, ipv6] of [
    ["an empty file", "", SOCKSTAT6],
    ["no IPv6", SOCKSTAT, ""],
    ["a number that may have been cut", SOCKSTAT, "TCP6: inuse "],
    ["words", "TCP: inuse many orphan 0 tw 2 alloc 4 mem 0\n", SOCKSTAT6],
  ] as const) {
    it(`are unknown from ${what}`, () => assert.equal(parseTcpSockets(ipv4, ipv6), null));
  }

  it("show which tables are empty, as long as there is no TIME_WAIT entry", () => {
    assert.deepEqual(emptyTcpTables({ ipv4: 0, ipv6: 0, timeWait: 0 }), ["tcp", "tcp6"]);
    assert.deepEqual(emptyTcpTables({ ipv4: 1, ipv6: 0, timeWait: 0 }), ["tcp6"]);
    assert.deepEqual(emptyTcpTables({ ipv4: 0, ipv6: 1, timeWait: 0 }), ["tcp"]);
    assert.deepEqual(emptyTcpTables({ ipv4: 0, ipv6: 0, timeWait: 1 }), []);
  });
});
