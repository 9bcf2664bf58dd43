// What the parsers of /proc/<pid>/net tables share: how a table arrives (in chunks, cut anywhere), what is
// counted on the way, and how one field after the other is read out of a line without making a string of it.

/** What came of a table's lines, added up by its parser. */
export interface TableTally {
  /** Lines that made no sense and were skipped. */
  linesMalformed: number;
  /** Rows that found no place where they were to go. */
  overflowed: number;
}

/**
 * Takes bytes[start, end) of a table and gives the position of the first byte that it did not consume: the
 * beginning of a line that is not yet complete, which the caller passes again with more. With atEnd everything
 * is consumed.
 */
export type TableParser = (bytes: Uint8Array, start: number, end: number, atEnd: boolean) => number;

/**
 * Parses one line that begins at start and ends at a newline, or at a zero byte where the table ended without
 * one.
 */
type LineParser = (bytes: Uint8Array, start: number, end: number) => boolean;

export const NEWLINE = 10;
export const BLANK = 32;

/** Values of hexadecimal digits by their byte; -1 for every other byte. */
export const hexDigits = new Int8Array(256).fill(-1);
for (let digit = 0; digit < 16; digit++) {
  hexDigits[digit.toString(16).charCodeAt(0)] = digit;
  hexDigits[digit.toString(16).toUpperCase().charCodeAt(0)] = digit;
}

/**
 * Feeds each line to parseLine and counts those that it refuses. The last line may lack its newline: it is
 * followed by a zero byte then, so that a field that may have been cut is told from one that is complete.
 */
// oxlint-disable-next-line max-params -- hot: no object for each line
export function parseLines(
  bytes: Uint8Array,
  start: number,
  end: number,
  atEnd: boolean,
  tally: TableTally,
  parseLine: LineParser,
): number {
  let position = start;
  while (position < end) {
    const newline = bytes.indexOf(NEWLINE, position);
    if (newline < 0 || newline >= end) break;
    if (!parseLine(bytes, position, newline)) tally.linesMalformed++;
    position = newline + 1;
  }
  if (!atEnd || position >= end) return position;
  const last = lineWithSentinel(bytes, position, end);
  if (!parseLine(last, 0, last.length - 1)) tally.linesMalformed++;
  return end;
}

/** A copy of the last line of a table, which has no newline, with a zero byte behind it. */
export function lineWithSentinel(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const line = new Uint8Array(end - start + 1);
  line.set(bytes.subarray(start, end));
  return line;
}

/** Whether a line is the table's header: its first word is the given one, in ASCII. */
export function isHeader(bytes: Uint8Array, start: number, word: string): boolean {
  let position = start;
  while (bytes[position] === BLANK) position++;
  for (let i = 0; i < word.length; i++) if (bytes[position + i] !== word.charCodeAt(i)) return false;
  return bytes[position + word.length] === BLANK;
}

/**
 * Reads the fields of one line from left to right. Once a field makes no sense `ok` stays false and what is
 * read means nothing, so that a caller asks once, at the end of the line. A field counts as complete only with
 * a blank, a newline or an expected byte behind it.
 */
export class FieldCursor {
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  /** Position of the next byte. */
  at = 0;
  /** Whether everything read so far made sense. */
  ok = true;

  /** Begins with a line. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
    this.at = start;
    this.ok = true;
  }

  /** Whether nothing but blanks is left. */
  atEnd(): boolean {
    while (this.at < this.#end && this.#bytes[this.at] === BLANK) this.at++;
    return this.at >= this.#end;
  }

  /** Steps over one byte that must be there. */
  expect(byte: number): void {
    if (this.#bytes[this.at] !== byte || this.at >= this.#end) this.ok = false;
    this.at++;
  }

  /** A decimal number below 2^53, blanks before it skipped. */
  decimal(): number {
    this.#skipBlanks();
    const first = this.at;
    let value = 0;
    for (; ; this.at++) {
      const digit = this.#bytes[this.at]! - 48;
      if (!(digit >= 0 && digit <= 9)) break;
      value = value * 10 + digit;
    }
    if (this.at === first || value > Number.MAX_SAFE_INTEGER) this.ok = false;
    this.#endField();
    return value;
  }

  /** A decimal number that the kernel prints as signed though it means 32 bits unsigned. */
  wrapped32(): number {
    this.#skipBlanks();
    const negative = this.#bytes[this.at] === 45;
    if (negative) this.at++;
    const value = this.decimal();
    if (value > 0xffffffff) this.ok = false;
    return negative ? -value >>> 0 : value;
  }

  /** A decimal number below 2^32. */
  decimal32(): number {
    const value = this.decimal();
    if (value > 0xffffffff) this.ok = false;
    return value;
  }

  /** A hexadecimal number of at most eight digits, blanks before it skipped. */
  hex32(): number {
    this.#skipBlanks();
    const first = this.at;
    let value = 0;
    for (; ; this.at++) {
      const digit = hexDigits[this.#bytes[this.at] ?? 0]!;
      if (digit < 0) break;
      value = (value << 4) | digit;
    }
    const digits = this.at - first;
    if (digits < 1 || digits > 8) this.ok = false;
    this.#endField();
    return value >>> 0;
  }

  /**
   * A kernel pointer: digits, or what kernels print in their stead ("(null)", "(____ptrval____)"). Its width
   * is the host's affair.
   */
  pointer(): void {
    this.#skipBlanks();
    const first = this.at;
    while (isPointerByte(this.#bytes[this.at] ?? 0)) this.at++;
    if (this.at === first) this.ok = false;
  }

  #skipBlanks(): void {
    while (this.#bytes[this.at] === BLANK) this.at++;
  }

  #endField(): void {
    const byte = this.#bytes[this.at];
    if (byte !== BLANK && byte !== NEWLINE) this.ok = false;
  }
}

const pointerBytes = new Uint8Array(256);
for (let byte = 0; byte < 256; byte++) if (hexDigits[byte]! >= 0) pointerBytes[byte] = 1;
for (const byte of Buffer.from("()_nulptrv")) pointerBytes[byte] = 1;

/** Whether a byte may stand in a kernel pointer as it is printed. */
export function isPointerByte(byte: number): boolean {
  return pointerBytes[byte] === 1;
}
