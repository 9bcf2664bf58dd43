// Items in batches that fit a message: at most 256 of them, and about 32 KiB.

import type { BinaryWriter } from "@bufbuild/protobuf/wire";

import { AHEAD_BYTES_MAX } from "./serving-limits.ts";

/** Items per message. */
const BATCH_ITEMS_MAX = 256;
/** Bytes of items per message, unless a single item is larger: what a stream may be ahead of its reader. */
const BATCH_BYTES_MAX = AHEAD_BYTES_MAX;
/** One in this many items is measured; the others are assumed to have the same average size. */
const MEASURE_EVERY = 16;

/**
 * Packs items in order. Measuring each item would cost as much as sending it, so only one in MEASURE_EVERY is.
 */
export function* packBatches<Item>(
  items: Iterable<Item>,
  codec: { encode(item: Item): BinaryWriter },
): Generator<Item[]> {
  let batch: Item[] = [];
  let bytes = 0;
  let size = 0;
  let count = 0;
  for (const item of items) {
    if (count++ % MEASURE_EVERY === 0) size = codec.encode(item).finish().length;
    if (batch.length > 0 && (batch.length >= BATCH_ITEMS_MAX || bytes + size > BATCH_BYTES_MAX)) {
      yield batch;
      batch = [];
      bytes = 0;
    }
    batch.push(item);
    bytes += size;
  }
  if (batch.length > 0) yield batch;
}
