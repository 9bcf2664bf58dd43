// Maps the inode of a socket to the entries (process, descriptor) that refer to it: an open-addressing hash in
// typed arrays, with the entries of an inode chained. 28 bytes per entry, no objects.

import { slotOf } from "../../../lib/hash.ts";

/** Maximum entries: 2^22 socket descriptors on one node (118 MB); further ones are counted as overflowed. */
const INDEX_ENTRIES_MAX = 2 ** 22;

const NONE = 0xffffffff;

/** An index that is filled once and read often; refilled when anything changed. */
export class InodeIndex {
  #keys = new Uint32Array(0);
  #heads = new Uint32Array(0);
  #next = new Uint32Array(0);
  #pids = new Uint32Array(0);
  #fds = new Uint32Array(0);
  #length = 0;
  /** Entries that did not fit. */
  overflowed = 0;

  /** Empties the index and makes room for `entries` entries. */
  reset(entries: number): void {
    const room = Math.min(entries, INDEX_ENTRIES_MAX);
    if (this.#pids.length < room || this.#pids.length > 4 * room + 1024) {
      // A quarter more than needed, so that a slowly growing table is not reallocated each time.
      const capacity = Math.ceil(room * 1.25);
      this.#next = new Uint32Array(capacity);
      this.#pids = new Uint32Array(capacity);
      this.#fds = new Uint32Array(capacity);
      // At most half full.
      const slots = 2 ** Math.ceil(Math.log2(Math.max(16, 2 * capacity)));
      this.#keys = new Uint32Array(slots);
      this.#heads = new Uint32Array(slots);
    } else {
      this.#keys.fill(0);
    }
    this.#length = 0;
    this.overflowed = entries - room;
  }

  /**
   * Inserts an entry before those that the inode already has. Returns false if the room of reset() is used up.
   */
  prepend(inode: number, pid: number, fd: number): boolean {
    const entry = this.#length;
    if (entry === this.#pids.length) return false;
    const slot = this.#slotOf(inode);
    this.#next[entry] = this.#keys[slot] === 0 ? NONE : this.#heads[slot]!;
    this.#keys[slot] = inode;
    this.#heads[slot] = entry;
    this.#pids[entry] = pid;
    this.#fds[entry] = fd;
    this.#length = entry + 1;
    return true;
  }

  /** Returns whether the inode has any entry. */
  has(inode: number): boolean {
    return inode !== 0 && this.#keys.length > 0 && this.#keys[this.#slotOf(inode)] === inode;
  }

  /** Calls back for each entry of the inode, the last inserted one first. */
  forEach(inode: number, callback: (pid: number, fd: number) => void): void {
    if (!this.has(inode)) return;
    for (let entry = this.#heads[this.#slotOf(inode)]!; entry !== NONE; entry = this.#next[entry]!) {
      callback(this.#pids[entry]!, this.#fds[entry]!);
    }
  }

  // Returns the inode's slot, or the empty one for it. No socket has inode 0, which marks empty slots.
  #slotOf(inode: number): number {
    const mask = this.#keys.length - 1;
    let slot = slotOf(inode, mask);
    while (this.#keys[slot] !== 0 && this.#keys[slot] !== inode) slot = (slot + 1) & mask;
    return slot;
  }
}
