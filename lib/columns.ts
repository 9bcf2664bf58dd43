// Columns of fixed-width numbers as little-endian bytes, the form in which reports carry tables. An absent column
// (no bytes) stands for zeros, so that what a reader does not know costs nothing on the wire.

import { endianness } from "node:os";

/** The typed arrays that travel as columns. */
export type Column = Uint8Array | Uint16Array | Uint32Array;

const hostIsLittleEndian = endianness() === "LE";

/** The first `length` elements as little-endian bytes, always a copy; no bytes where all of them are zero. */
export function encodeColumn(column: Column, from: number, to: number): Uint8Array {
  if (allZero(column, from, to)) return new Uint8Array(0);
  const width = column.BYTES_PER_ELEMENT;
  const bytes = new Uint8Array((to - from) * width);
  bytes.set(new Uint8Array(column.buffer, column.byteOffset + from * width, bytes.length));
  if (!hostIsLittleEndian) swapBytes(bytes, width);
  return bytes;
}

/**
 * Fills the first `count` elements of a column from little-endian bytes; no bytes fill it with zeros.
 * False where the number of bytes does not fit: the column is then unchanged.
 */
export function decodeColumn(bytes: Uint8Array, count: number, into: Column): boolean {
  if (bytes.length === 0) {
    into.fill(0, 0, count);
    return true;
  }
  const width = into.BYTES_PER_ELEMENT;
  if (bytes.length !== count * width) return false;
  const target = new Uint8Array(into.buffer, into.byteOffset, bytes.length);
  target.set(bytes);
  if (!hostIsLittleEndian) swapBytes(target, width);
  return true;
}

function allZero(column: Column, from: number, to: number): boolean {
  for (let i = from; i < to; i++) if (column[i] !== 0) return false;
  return true;
}

function swapBytes(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
}
