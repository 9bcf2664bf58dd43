// Columns of fixed-width numbers as little-endian bytes, the form in which reports carry tables. An absent
// column (no bytes) means zeros, so that values which a reader does not know cost nothing on the wire.

import { endianness } from "node:os";

/** The typed arrays that travel as columns. */
export type Column = Uint8Array | Uint16Array | Uint32Array | Float64Array;

// Columns are little-endian: on a little-endian machine they are plain copies.
const hostIsLittleEndian = endianness() === "LE";

/** Encodes elements [from, to) as little-endian bytes, always a copy; no bytes if all of them are zero. */
export function encodeColumn(column: Column, from: number, to: number): Uint8Array {
  const writer = new ColumnWriter();
  return writer.copy(column, from, to) === 0 ? new Uint8Array(0) : writer.bytes().slice();
}

/** Bytes reserved for the length of a message: enough for 2^28 bytes, far above the largest report. */
const LENGTH_BYTES = 4;

/**
 * Writes a protobuf message whose fields are columns into one growing buffer that is reused: a report of
 * thousands of rows costs one copy per column and no allocation.
 */
export class ColumnWriter {
  #buffer = new Uint8Array(65536);
  #length = 0;

  /** Begins a new message. */
  reset(): void {
    this.#length = 0;
  }

  /** The bytes written, valid until the next reset() or write. */
  bytes(): Uint8Array {
    return this.#buffer.subarray(0, this.#length);
  }

  /** Writes a varint field; omitted if it is zero. */
  uint32(field: number, value: number): void {
    if (value === 0) return;
    this.#reserve(10);
    this.#varint(field << 3);
    this.#varint(value);
  }

  /** Writes elements [from, to) of a column as a bytes field; omitted if all of them are zero. */
  column(field: number, column: Column, from: number, to: number): void {
    const length = (to - from) * column.BYTES_PER_ELEMENT;
    const before = this.#length;
    this.#reserve(length + 10);
    this.#varint((field << 3) | 2);
    this.#varint(length);
    if (this.copy(column, from, to) === 0) this.#length = before;
  }

  /** Begins a field that holds a message; returns its start, which end() needs to fill in the length. */
  begin(field: number): number {
    this.#reserve(10);
    this.#varint((field << 3) | 2);
    this.#length += LENGTH_BYTES;
    return this.#length;
  }

  /**
   * Ends the field that begins at `start`. The length is a zero-padded varint as wide as the bytes reserved
   * for it.
   */
  end(start: number): void {
    let rest = this.#length - start;
    for (let i = LENGTH_BYTES; i > 0; i--, rest >>>= 7) {
      this.#buffer[start - i] = (rest & 127) | (i === 1 ? 0 : 128);
    }
  }

  /** Writes a bytes field of a known length, which `fill` must fill completely. */
  filled(field: number, length: number, fill: (view: DataView) => void): void {
    if (length === 0) return;
    this.#reserve(length + 10);
    this.#varint((field << 3) | 2);
    this.#varint(length);
    fill(new DataView(this.#buffer.buffer, this.#length, length));
    this.#length += length;
  }

  /** Appends the bare little-endian bytes of elements [from, to); returns their number, 0 if all are zero. */
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
 * Fills the first `count` elements of a column from little-endian bytes; no bytes mean zeros. Returns false
 * and leaves the column unchanged if the number of bytes does not fit.
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

// All-zero columns are usually long; other columns usually have a nonzero byte near the start.
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
