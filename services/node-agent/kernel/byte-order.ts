// The host's byte order, in which netlink messages and BPF records are written.

import { endianness } from "node:os";

/** Whether this machine is little-endian. */
export const hostIsLittleEndian = endianness() === "LE";

/**
 * Reads a 64-bit counter at byte `at` of the view: exact up to 2^53, which no counter of bytes or nanoseconds
 * reaches.
 */
export function uint64(view: DataView, at: number, littleEndian: boolean): number {
  const first = view.getUint32(at, littleEndian);
  const second = view.getUint32(at + 4, littleEndian);
  return littleEndian ? second * 2 ** 32 + first : first * 2 ** 32 + second;
}
