// The reader of a ring buffer on memory that is written as kernel/bpf/ringbuf.c does.

import assert from "node:assert/strict";
import { it } from "node:test";

import fc from "fast-check";

import { hostIsLittleEndian } from "../../byte-order.ts";
import { RingReader } from "./ring-reader.ts";

const BUSY = 2 ** 31;
const DISCARDED = 2 ** 30;
const RING_BYTES = 256;

/** The kernel's side: reserves records and commits them later. */
class Kernel {
  readonly memory = {
    consumed: new BigUint64Array(1),
    produced: new BigUint64Array(1),
    data: new Uint8Array(RING_BYTES),
  };

  /** Returns where the record is, or -1 if there is no room. */
  reserve(length: number): number {
    const bytes = (8 + length + 7) & ~7;
    const produced = Number(this.memory.produced[0]);
    if (produced + bytes - Number(this.memory.consumed[0]) > RING_BYTES) return -1;
    const at = produced % RING_BYTES;
    this.#setWord(at, length + BUSY);
    this.memory.produced[0] = BigInt(produced + bytes);
    return at;
  }

  commit(at: number, length: number, value: number): void {
    for (let place = 0; place < length; place++) this.#setByte(at + 8 + place, value);
    this.#setWord(at, length);
  }

  discard(at: number, length: number): void {
    this.#setWord(at, length + DISCARDED);
  }

  /** Writes a record at once; false if there is no room. */
  write(length: number, value: number): boolean {
    const at = this.reserve(length);
    if (at < 0) return false;
    this.commit(at, length, value);
    return true;
  }

  #setWord(at: number, word: number): void {
    const bytes = new DataView(new ArrayBuffer(4));
    bytes.setUint32(0, word, hostIsLittleEndian);
    for (let place = 0; place < 4; place++) this.#setByte(at + place, bytes.getUint8(place));
  }

  #setByte(at: number, value: number): void {
    this.memory.data[at % RING_BYTES] = value;
  }
}

/** Every record as "value x length". */
function drain(reader: RingReader): string[] {
  const records: string[] = [];
  const count = reader.drain((view, start, length) => {
    const bytes = Array.from({ length }, (_, place) => view.getUint8(start + place));
    assert.equal(new Set(bytes).size, 1, `a record of ${bytes.join(" ")}`);
    records.push(`${bytes[0]} x ${length}`);
  });
  assert.equal(count, records.length);
  return records;
}

it("records are read once, in their order", () => {
  const kernel = new Kernel();
  const reader = new RingReader(kernel.memory);
  assert.deepEqual([drain(reader), reader.waiting], [[], 0]);
  kernel.write(24, 1);
  kernel.write(72, 2);
  assert.equal(reader.waiting, 32 + 80);
  assert.deepEqual([drain(reader), reader.waiting], [["1 x 24", "2 x 72"], 0]);
  assert.deepEqual(drain(reader), []);
});

it("a record that is still being written is read later, and what follows it too", () => {
  const kernel = new Kernel();
  const reader = new RingReader(kernel.memory);
  kernel.write(24, 1);
  const busy = kernel.reserve(24);
  kernel.write(24, 3);
  assert.deepEqual([drain(reader), reader.waiting], [["1 x 24"], 64]);
  assert.deepEqual(drain(reader), []);
  kernel.commit(busy, 24, 2);
  assert.deepEqual([drain(reader), reader.waiting], [["2 x 24", "3 x 24"], 0]);
});

it("a discarded record is left out", () => {
  const kernel = new Kernel();
  const reader = new RingReader(kernel.memory);
  kernel.discard(kernel.reserve(40), 40);
  kernel.write(24, 1);
  assert.deepEqual([drain(reader), reader.waiting], [["1 x 24"], 0]);
});

it("room is returned to the kernel once records are read", () => {
  const kernel = new Kernel();
  const reader = new RingReader(kernel.memory);
  let written = 0;
  while (kernel.write(24, 1)) written++;
  assert.equal(written, RING_BYTES / 32);
  assert.equal(drain(reader).length, written);
  assert.equal(kernel.write(24, 2), true);
  assert.deepEqual(drain(reader), ["2 x 24"]);
});

it("whatever is written, and wherever the ring begins again, is read", () => {
  const step = fc.oneof(
    fc.record({ do: fc.constant("write" as const), length: fc.integer({ min: 1, max: 136 }) }),
    fc.record({ do: fc.constant("drain" as const), length: fc.constant(0) }),
  );
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const kernel = new Kernel();
      const reader = new RingReader(kernel.memory);
      let expected: string[] = [];
      for (const [number, { do: what, length }] of steps.entries()) {
        const value = number % 256;
        if (what === "write" && kernel.write(length, value)) expected.push(`${value} x ${length}`);
        if (what !== "drain") continue;
        assert.deepEqual(drain(reader), expected);
        expected = [];
      }
      assert.deepEqual(drain(reader), expected);
    }),
  );
});
