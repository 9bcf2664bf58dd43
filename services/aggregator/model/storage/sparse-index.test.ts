import assert from "node:assert/strict";
import { describe, it } from "node:test";

import fc from "fast-check";

import { ChainIndex } from "./chain-index.ts";
import { SparseIndex } from "./sparse-index.ts";

// Few slots and hashes, so that they repeat; high slots, as for few listeners among many sockets.
const step = fc.record({ slot: fc.integer({ min: 3_000_000, max: 3_000_020 }), hash: fc.nat({ max: 4 }) });

describe("the indexes of slots by hash", () => {
  for (const Index of [ChainIndex, SparseIndex]) {
    it(`${Index.name} returns exactly the slots that were added with a hash`, () => {
      fc.assert(
        fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
          const index = new Index();
          const model = new Map<number, number>();
          for (const { slot, hash } of steps) {
            if (model.delete(slot)) index.remove(slot);
            else {
              index.add(slot, hash);
              model.set(slot, hash);
            }
            for (let asked = 0; asked <= 4; asked++)
              assert.deepEqual(
                slotsOf(index, asked),
                [...model]
                  .filter(([, each]) => each === asked)
                  .map(([each]) => each)
                  .toSorted((a, b) => a - b),
              );
          }
        }),
        { numRuns: 30 },
      );
    });
  }
});

function slotsOf(index: ChainIndex | SparseIndex, hash: number): number[] {
  const slots: number[] = [];
  for (let slot = index.first(hash); slot >= 0; slot = index.after(slot)) slots.push(slot);
  return slots.toSorted((a, b) => a - b);
}
