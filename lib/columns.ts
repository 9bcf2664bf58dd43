// Columns of fixed-width numbers as little-endian bytes, the form in which reports carry tables. An absent
// column (no bytes) stands for zeros, so that what a reader does not know costs nothing on the wire.

import { endianness } from "node:os";

/** The typed arrays that travel as columns. */
export type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

// Columns are little-endian, so that on such a machine they are plain copies.
const hostIsLittleEndian = endianness() === "LE";

/** Elements [from, to) as little-endian bytes, always a copy; no bytes where all of them are zero. */
export function encodeColumn(column: Column, from: number, to: number): Uint8Array {
  const writer = new ColumnWriter();
  return writer.copy(column, from, to) === 0 ? new Uint8Array(0) : writer.bytes().slice();
}

/** Bytes kept free for the length of a message: enough for 2^28 bytes, far above what a report may have. */
const LENGTH_BYTES = 4;

/**
 * Writes a protobuf message whose fields are columns into one growing buffer that is used again and again: a
 * report of thousands of rows costs one copy per column and no allocation.
 */
export class ColumnWriter {
  #buffer = new Uint8Array(65536);
  #length = 0;

  /** Begins a new message. */
  reset(): void {
    this.#length = 0;
  }

  /** What was written, valid until the next reset() or write. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Writes a varint field; nothing where it is zero. */
  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(10);
    this.#varint(field << 3);
    this.#varint(value);
  }

  /** Writes elements [from, to) of a column as a bytes field; nothing where all of them are zero. */
  column(field: number, column: Column, from: number, to: number): void {
    const length = (to - from) * column.BYTES_PER_ELEMENT;
    const before = this.#length;
    this.#reserve(length + 10);
    this.#varint((field << 3) | 2);
    this.#varint(length);
    if (this.copy(column, from, to) === 0) this.#length = before;
  }

  /** Begins a field that holds a message; gives where, for end(). Its length is filled in then. */
  begin(field: number): number {
    this.#reserve(10);
    this.#varint((field << 3) | 2);
    this.#length += LENGTH_BYTES;
    return this.#length;
  }

  /** Ends the field that began there. The length is a varint with leading zeros, as wide as was kept free. */
  end(start: number): void {
    let rest = this.#length - start;
    for (let i = LENGTH_BYTES; i > 0; i--, rest >>>= 7) {
      this.#buffer[start - i] = (rest & 127) | (i === 1 ? 0 : 128);
    }
  }

  /** Writes a bytes field of a known length, which `fill` must fill whole. */
  filled(field: number, length: number, fill: (view: DataView) => void): void {
    if (length === 0) return;
    this.#reserve(length + 10);
    this.#varint((field << 3) | 2);
    this.#varint(length);
    fill(new DataView(this.#buffer.buffer, this.#length, length));
    this.#length += length;
  }

  /** Appends the bare little-endian bytes of elements [from, to); gives their number, 0 where all are zero. */
  copy(column: Column, from: number, to: number): number {
    const width = column.BYTES_PER_ELEMENT;
    const source = new Uint8Array(column.buffer, column.byteOffset + from * width, (to - from) * width);
    if (allZero(source)) return 0;
    this.#reserve(source.length);
    this.#buffer.set(source, this.#length);
    if (!hostIsLittleEndian)
      swapBytes(this.#buffer.subarray(this.#length, this.#length + source.length), width);
    this.#length += source.length;
    return source.length;
  }

  #varint(value: number): void {
    let rest = value;
    for (; rest > 127; rest >>>= 7) this.#buffer[this.#length++] = (rest & 127) | 128;
    this.#buffer[this.#length++] = rest;
  }

  #reserve(bytes: number): void {
    if (this.#length + bytes <= this.#buffer.length) return;
    const grown = new Uint8Array(Math.max(this.#buffer.length * 2, this.#length + bytes));
    grown.set(this.#buffer.subarray(0, this.#length));
    this.#buffer = grown;
  }
}

/**
 * Fills the first `count` elements of a column from little-endian bytes; no bytes stand for zeros. False where
 * the number of bytes does not fit: the column is then unchanged.
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

// Most columns that are zero throughout are long; those that are not differ from zero early on.
function allZero(bytes: Uint8Array): boolean {
  const last = Math.min(bytes.length, 64);
  for (let i = 0; i < last; i++) if (bytes[i] !== 0) return false;
  return zeros.length >= bytes.length
    ? Buffer.compare(bytes, zeros.subarray(0, bytes.length)) === 0
    : bytes.every((byte) => byte === 0);
}

const zeros = new Uint8Array(2 ** 20);

function swapBytes(bytes: Uint8Array, width: number): void {
  const buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (width === 2) buffer.swap16();
  else if (width === 4) buffer.swap32();
  else if (width === 8) buffer.swap64();
}
