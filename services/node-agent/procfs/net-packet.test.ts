import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { netPacketParser } from "./net-packet.ts";

const HEADER = "sk               RefCnt Type Proto  Iface R Rmem   User   Inode\n";

function parse(text: string | Uint8Array) {
  const sockets: FamilySocket[] = [];
  const tally = { linesMalformed: 0, overflowed: 0 };
  const parser = netPacketParser({ namespaceId: 3, tally, append: (socket) => sockets.push(socket) });
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  assert.equal(parser(bytes, 0, bytes.length, true), bytes.length);
  return { sockets, malformed: tally.linesMalformed };
}

describe("packet sockets", () => {
  it("give type, ethertype, interface, queue, owner and inode", () => {
    const { sockets, malformed } = parse(
      `${HEADER}00000000c207755e 3      3    88cc   2     1 4096   101    20233 \n`,
    );
    assert.equal(malformed, 0);
    const expected = {
      type: 3,
      number: 0x88cc,
      interfaceIndex: 2,
      recvQueue: 4096,
      uid: 101,
      inode: 20233,
      references: 3,
    };
    assert.deepEqual({ ...sockets[0], ...expected, namespace: 3, family: 3, state: 7 }, sockets[0]);
  });

  const malformed: readonly (readonly [what: string, line: string])[] = [
    ["too few fields", "00000000c207755e 3      3    88cc   2     1 4096\n"],
    ["too many fields", "00000000c207755e 3      3    88cc   2     1 4096   101    20233 9\n"],
    ["a type that does not exist", "00000000c207755e 3      77   88cc   2     1 4096   101    20233\n"],
    ["an ethertype beyond 16 bits", "00000000c207755e 3      3    188cc  2     1 4096   101    20233\n"],
    ["an inode that may have been cut", "00000000c207755e 3      3    88cc   2     1 4096   101    202"],
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
