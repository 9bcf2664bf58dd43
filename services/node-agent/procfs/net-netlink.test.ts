import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { netNetlinkParser } from "./net-netlink.ts";

const HEADER = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n";

function parse(text: string | Uint8Array) {
  const sockets: FamilySocket[] = [];
  const tally = { linesMalformed: 0, overflowed: 0 };
  const parser = netNetlinkParser({ namespaceId: 3, tally, append: (socket) => sockets.push(socket) });
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  assert.equal(parser(bytes, 0, bytes.length, true), bytes.length);
  return { sockets, malformed: tally.linesMalformed };
}

describe("netlink sockets", () => {
  const cases: readonly (readonly [what: string, line: string, expected: Partial<FamilySocket>])[] = [
    [
      "of the kernel",
      "0000000082a2497b 4   0          00000000 0        0        0     2        0        1515    \n",
      { number: 4, portId: 0, inode: 1515, references: 2, state: 7 },
    ],
    [
      "of a process that listens to groups and lost messages",
      "0000000082a2497b 0   1234       80000551 213      7        0     2        42       99      \n",
      { number: 0, portId: 1234, groups: 0x80000551, recvQueue: 213, sendQueue: 7, drops: 42, inode: 99 },
    ],
    [
      "with a port id that an old kernel prints as signed",
      "f3d46800 0   -4131  00000001 0        0        (null)   2        0        3990\n",
      { portId: 4294963165, groups: 1, inode: 3990 },
    ],
    [
      "of kernels before there were inodes",
      "f3d46800 0   55     00000001 0        0        00000000 2\n",
      { portId: 55 },
    ],
  ];
  for (const [what, line, expected] of cases) {
    it(what, () => {
      const { sockets, malformed } = parse(HEADER + line);
      assert.equal(malformed, 0);
      assert.equal(sockets.length, 1);
      assert.deepEqual({ ...sockets[0], ...expected, namespace: 3, family: 2 }, sockets[0]);
    });
  }

  const malformed: readonly (readonly [what: string, line: string])[] = [
    ["too few fields", "0000000082a2497b 4   0          00000000 0\n"],
    ["too many fields", "0000000082a2497b 4   0  00000000 0 0 0 2 0 1515 7\n"],
    ["a protocol that does not exist", "0000000082a2497b 32  0  00000000 0 0 0 2 0 1515\n"],
    ["words", "0000000082a2497b four 0 00000000 0 0 0 2 0 1515\n"],
    ["an inode that may have been cut", "0000000082a2497b 4   0  00000000 0 0 0 2 0 15"],
  ];
  for (const [what, line] of malformed) {
    it(`with ${what} are counted and skipped`, () => {
      assert.deepEqual(parse(HEADER + line), { sockets: [], malformed: 1 });
    });
  }

  it("take any bytes", () => {
    fc.assert(fc.property(fc.uint8Array({ maxLength: 400 }), (bytes) => void parse(bytes)));
  });
});
