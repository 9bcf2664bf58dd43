import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, it } from "node:test";

import fc from "fast-check";

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { netUnixParser } from "./net-unix.ts";

const HEADER = "Num       RefCount Protocol Flags    Type St Inode Path\n";
const capture = new URL("../../../test/fixtures/captures/node2/pid-287-pause/net-unix", import.meta.url);

function parse(text: string | Uint8Array, chunkBytes = Infinity) {
  const sockets: FamilySocket[] = [];
  const tally = { linesMalformed: 0, overflowed: 0 };
  const parser = netUnixParser({ namespaceId: 3, tally, append: (socket) => sockets.push(socket) });
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  let position = 0;
  for (let end = 0; end < bytes.length;) {
    end = Math.min(bytes.length, end + chunkBytes);
    position = parser(bytes, position, end, false);
  }
  parser(bytes, position, bytes.length, true);
  return { sockets, malformed: tally.linesMalformed };
}

const NUMBER = "0000000066a40b1d: 00000002 00000000";

describe("unix sockets", () => {
  const cases: readonly (readonly [what: string, line: string, expected: Partial<FamilySocket>])[] = [
    [
      "listen",
      `${NUMBER} 00010000 0001 01 1298639 /run/a.sock\n`,
      { state: 10, type: 1, path: "/run/a.sock" },
    ],
    [
      "are connected",
      `${NUMBER} 00000000 0001 03 1302661\n`,
      { state: 1, path: "", inode: 1302661, references: 2 },
    ],
    ["are connected but not yet accepted", `${NUMBER} 00000000 0001 02     0\n`, { state: 1, inode: 0 }],
    ["are unconnected", `${NUMBER} 00000000 0002 01 12 /run/systemd/notify\n`, { state: 7, type: 2 }],
    [
      "have an abstract name",
      `${NUMBER} 00010000 0005 01 12 @/tmp/dbus-x@\n`,
      { type: 5, path: "@/tmp/dbus-x@" },
    ],
    ["have blanks in their path", `${NUMBER} 00010000 0001 01 12  a  b \n`, { path: " a  b " }],
    ["have a path that is not UTF-8", `${NUMBER} 00010000 0001 01 12 /\x01é\n`, { path: "/\x01é" }],
    ["are on a host of 32 bits", "66a40b1d: 00000002 00000000 00010000 0001 01 12\n", { inode: 12 }],
    ["hide their pointer", "(____ptrval____): 00000002 00000000 00010000 0001 01 12\n", { inode: 12 }],
  ];
  for (const [what, line, expected] of cases) {
    it(`that ${what}`, () => {
      const { sockets, malformed } = parse(HEADER + line);
      assert.equal(malformed, 0);
      assert.equal(sockets.length, 1);
      assert.deepEqual({ ...sockets[0], ...expected, namespace: 3, family: 1 }, sockets[0]);
    });
  }

  it("replace bytes of a path that are no UTF-8", () => {
    const bytes = Buffer.concat([Buffer.from(`${NUMBER} 00010000 0001 01 12 /a`), Buffer.from([0xff, 10])]);
    assert.equal(parse(bytes).sockets[0]!.path, "/a\ufffd");
  });

  it("count what follows a newline in a path", () => {
    const { sockets, malformed } = parse(
      `${NUMBER} 00010000 0001 01 12 /a\nb\n${NUMBER} 00000000 0001 03 13\n`,
    );
    assert.deepEqual(
      sockets.map((socket) => [socket.inode, socket.path]),
      [
        [12, "/a"],
        [13, ""],
      ],
    );
    assert.equal(malformed, 1);
  });

  const malformed: readonly (readonly [what: string, line: string])[] = [
    ["no pointer", ": 00000002 00000000 00010000 0001 01 12\n"],
    ["no colon", "0000000066a40b1d 00000002 00000000 00010000 0001 01 12\n"],
    ["a letter in the count", "0000000066a40b1d: 0000000g 00000000 00010000 0001 01 12\n"],
    ["a missing field", "0000000066a40b1d: 00000002 00010000 0001 01 12\n"],
    ["a type that does not exist", `${NUMBER} 00010000 00FF 01 12\n`],
    ["a state that does not exist", `${NUMBER} 00010000 0001 09 12\n`],
    ["an inode beyond 32 bits", `${NUMBER} 00010000 0001 01 4294967296\n`],
    ["an inode with a letter", `${NUMBER} 00010000 0001 01 12x\n`],
    ["an inode that may have been cut", `${NUMBER} 00010000 0001 01 12`],
    ["a path that may have been cut", `${NUMBER} 00010000 0001 01 12 /run/a.so`],
  ];
  for (const [what, line] of malformed) {
    it(`with ${what} are counted and skipped`, () => {
      assert.deepEqual(parse(HEADER + line), { sockets: [], malformed: 1 });
    });
  }

  it("are read from a captured table", () => {
    const text = readFileSync(capture, "utf8");
    const { sockets, malformed: bad } = parse(text);
    assert.equal(bad, 0);
    assert.equal(sockets.length, text.trimEnd().split("\n").length - 1);
    const listener = sockets.find((socket) => socket.path === "/run/containerd/containerd.sock");
    assert.deepEqual([listener?.state, listener?.inode, listener?.type], [10, 1298643, 1]);
  });

  it("take any bytes, in any chunks", () => {
    const line = fc.constantFrom(`${NUMBER} 00010000 0001 01 12 /run/a.sock\n`, HEADER);
    const noise = fc.string({ unit: "binary", maxLength: 60 });
    fc.assert(
      fc.property(
        fc.array(fc.oneof(line, noise), { maxLength: 8 }),
        fc.integer({ min: 1, max: 90 }),
        (parts, chunk) => {
          const bytes = new Uint8Array(Buffer.from(parts.join("")));
          assert.deepEqual(parse(bytes, chunk), parse(bytes));
        },
      ),
    );
  });
});
