// Items in batches that fit a message: at most 256 of them, and about 256 KiB.

import type { BinaryWriter } from "@bufbuild/protobuf/wire";

/** Items in one message at most. */
const BATCH_ITEMS_MAX = 256;
/** Bytes of items in one message at most, but for a single item that is larger. gRPC's own limit is 4 MiB. */
const BATCH_BYTES_MAX = 256 * 1024;
/** Items that are measured; the others are taken to be as large as these on average. */
const MEASURE_EVERY = 16;

/** Packs items in their order. Measuring each would cost as much as sending it: one in MEASURE_EVERY is. */
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
