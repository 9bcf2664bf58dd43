import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { dumpRequest, readMessages } from "./netlink.ts";

function message(type: number, flags: number, payload: readonly number[], littleEndian = true): number[] {
  const bytes = new Uint8Array((16 + payload.length + 3) & ~3);
  const view = new DataView(bytes.buffer);
  view.setUint32(0, 16 + payload.length, littleEndian);
  view.setUint16(4, type, littleEndian);
  view.setUint16(6, flags, littleEndian);
  bytes.set(payload, 16);
  return [...bytes];
}

function read(bytes: readonly number[], littleEndian = true) {
  const taken: number[][] = [];
  const answer = new DataView(Uint8Array.from(bytes).buffer);
  const progress = readMessages(answer, 0, bytes.length, littleEndian, (view, start, end) => {
    taken.push([...new Uint8Array(view.buffer, view.byteOffset + start, end - start)]);
  });
  return { taken, progress };
}

const DONE = message(3, 2, [0, 0, 0, 0]);

describe("netlink messages", () => {
  it("are asked for by a header and a payload", () => {
    assert.deepEqual(
      [...dumpRequest(20, Uint8Array.of(1, 2, 3, 4), true)],
      [20, 0, 0, 0, 20, 0, 1, 3, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4],
    );
  });

  it("are handed on until the last one", () => {
    const { taken, progress } = read([...message(20, 2, [1, 2, 3]), ...message(20, 2, [4]), ...DONE]);
    assert.deepEqual(taken, [[1, 2, 3], [4]]);
    assert.deepEqual(progress, { kind: "done" });
  });

  it("continue in the next chunk if the last message has not arrived", () => {
    assert.deepEqual(read(message(20, 2, [1])).progress, { kind: "more" });
  });

  it("are read of big-endian hosts", () => {
    assert.deepEqual(read(message(20, 2, [9], false), false).taken, [[9]]);
  });

  it("report an error by its errno", () => {
    assert.deepEqual(read(message(2, 0, [0xfe, 0xff, 0xff, 0xff])).progress, {
      kind: "failed",
      errorNumber: 2,
    });
  });

  it("report an error at the end of a dump", () => {
    assert.deepEqual(read(message(3, 2, [0xf4, 0xff, 0xff, 0xff])).progress, {
      kind: "failed",
      errorNumber: 12,
    });
  });

  it("report that the dump was disturbed", () => {
    assert.deepEqual(read(message(20, 0x12, [1])).progress, { kind: "failed", errorNumber: 4 });
  });

  it("do no harm if they do not fit", () => {
    const cut = message(20, 2, [1, 2, 3, 4]).slice(0, 18);
    assert.deepEqual(read(cut).progress, { kind: "failed", errorNumber: 74 });
    assert.deepEqual(read([0, 0, 0, 0]).progress, { kind: "failed", errorNumber: 74 });
    const short = message(20, 2, []);
    short[0] = 8;
    assert.deepEqual(read(short).progress, { kind: "failed", errorNumber: 74 });
  });

  it("take any bytes", () => {
    const part = fc.oneof(
      fc.array(fc.nat(255), { maxLength: 40 }),
      fc
        .tuple(fc.nat(30), fc.nat(4000), fc.array(fc.nat(255), { maxLength: 30 }))
        .map((args) => message(...args)),
    );
    fc.assert(
      fc.property(fc.array(part, { maxLength: 6 }), fc.boolean(), (parts, littleEndian) => {
        const { taken } = read(parts.flat(), littleEndian);
        assert.ok(taken.flat().length <= parts.flat().length);
      }),
    );
  });
});
