import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { CtnetlinkReader } from "./ctnetlink.ts";

interface Kind {
  readonly ipv6: boolean;
  readonly protocol: number;
  /** Attributes after the two tuples. */
  readonly extras: readonly number[];
}

const anyKind: fc.Arbitrary<Kind> = fc.record({
  ipv6: fc.boolean(),
  protocol: fc.constantFrom(6, 17, 1, 132),
  extras: fc.subarray([3, 4, 6, 7, 8, 9, 11, 12, 18, 22]),
});

function attribute(type: number, payload: readonly number[]): number[] {
  const length = payload.length + 4;
  return [length & 255, length >> 8, type, 0, ...payload, ...Array<number>((4 - (length % 4)) % 4).fill(0)];
}

// Builds a message of a kind, with values from 16 random bytes.
function messageOf({ ipv6, protocol, extras }: Kind, random: Uint8Array): Uint8Array {
  let next = 0;
  const some = (count: number): number[] => Array.from({ length: count }, () => random[next++ % 16]!);
  const addresses = (): number[] =>
    [1, 2].flatMap((type) => attribute(ipv6 ? type + 2 : type, some(ipv6 ? 16 : 4)));
  const ports = (): number[] => [2, 3].flatMap((type) => attribute(type, some(2)));
  const tuple = (type: number): number[] =>
    attribute(type, [
      ...attribute(1, addresses()),
      ...attribute(2, [...attribute(1, [protocol]), ...ports()]),
    ]);
  const extra = (type: number): number[] => {
    if (type === 4) return attribute(4, attribute(1, [...attribute(1, some(1)), ...attribute(2, some(1))]));
    if (type === 9) return attribute(9, [...attribute(1, some(8)), ...attribute(2, some(8))]);
    return attribute(type, some(type === 18 ? 2 : 4));
  };
  return Uint8Array.from([ipv6 ? 10 : 2, 0, 0, 0, ...tuple(1), ...tuple(2), ...extras.flatMap(extra)]);
}

// Returns what a reader makes of the last of some messages; null if it rejects that one.
function lastOf(messages: readonly Uint8Array[]): unknown {
  const entry = new ConntrackEntry();
  const reader = new CtnetlinkReader(entry, true);
  const read = messages.map((bytes) => reader.read(new DataView(bytes.buffer), 0, bytes.length));
  return read.at(-1) === true ? structuredClone(Object.assign({}, entry)) : null;
}

describe("conntrack messages", () => {
  it("are read from any bytes", () => {
    const reader = new CtnetlinkReader(new ConntrackEntry(), true);
    const anyAttribute = fc
      .record({ type: fc.nat(22), nested: fc.boolean(), bytes: fc.uint8Array({ maxLength: 24 }) })
      .map(({ type, nested, bytes }) =>
        [bytes.length + 4, 0, type, nested ? 0x80 : 0, ...bytes, 0, 0, 0].slice(0, (bytes.length + 7) & ~3),
      );
    fc.assert(
      fc.property(
        fc.constantFrom(2, 10, 7),
        fc.array(fc.oneof(anyAttribute, fc.array(fc.nat(255)))),
        (family, parts) => {
          const bytes = Uint8Array.from([family, 0, 0, 0, ...parts.flat()]);
          reader.read(new DataView(bytes.buffer), 0, bytes.length);
        },
      ),
    );
  });

  it("are read alike, whether one that looks the same came before or not", () => {
    const random = fc.uint8Array({ minLength: 16, maxLength: 16 });
    fc.assert(
      fc.property(anyKind, random, random, fc.option(fc.nat(300)), (kind, first, second, damaged) => {
        const later = messageOf(kind, second);
        if (damaged !== null) later[damaged % later.length]! ^= 1;
        assert.deepEqual(lastOf([messageOf(kind, first), later]), lastOf([later]));
      }),
    );
  });
});
