// Indexes the holders of sockets that a reader of the whole node reports, by inode.

import type { HeldSockets } from "../observation.ts";
import type { InodeIndex } from "./inode-index.ts";

/** Returns whether both list the same descriptors in the same order. */
export function sameHolders(a: HeldSockets, b: HeldSockets): boolean {
  if (a === b) return true;
  return (
    a.count === b.count &&
    sameColumn(a.inodes, b.inodes) &&
    sameColumn(a.fds, b.fds) &&
    sameColumn(a.pids, b.pids)
  );
}

/**
 * Refills the index, so that it returns the holders of an inode in ascending order of pid, then descriptor.
 */
export function indexHolders(index: InodeIndex, held: HeldSockets): void {
  const { count, pids, fds, inodes } = held;
  const order = ascending(held);
  index.reset(count);
  // From last to first, since the index prepends each entry.
  for (let place = count - 1; place >= 0; place--) {
    const at = order?.[place] ?? place;
    const next = order?.[place + 1] ?? place + 1;
    // A thread with its own descriptor table may report the same descriptor as its process.
    const twice =
      place + 1 < count && pids[at] === pids[next] && fds[at] === fds[next] && inodes[at] === inodes[next];
    if (!twice) index.prepend(inodes[at]!, pids[at]!, fds[at]!);
  }
}

// Returns the positions in ascending order; null if they are in order already, as they are without such
// threads.
function ascending({ count, pids, fds }: HeldSockets): Uint32Array | null {
  const isInOrder = (a: number, b: number): boolean =>
    pids[a]! < pids[b]! || (pids[a] === pids[b] && fds[a]! <= fds[b]!);
  let inOrder = true;
  for (let place = 1; place < count && inOrder; place++) inOrder = isInOrder(place - 1, place);
  if (inOrder) return null;
  const order = Uint32Array.from({ length: count }, (_, place) => place);
  return order.toSorted((a, b) => pids[a]! - pids[b]! || fds[a]! - fds[b]!);
}

function sameColumn(a: Uint32Array, b: Uint32Array): boolean {
  return Buffer.compare(asBytes(a), asBytes(b)) === 0;
}

function asBytes(column: Uint32Array): Uint8Array {
  return new Uint8Array(column.buffer, column.byteOffset, column.byteLength);
}
