// Shared by the parsers of /proc/<pid>/net tables: how a table arrives (in chunks, cut anywhere), what is
// counted on the way, and how the fields of a line are read without making strings of them.

/** Counts of what went wrong with a table's lines, added up by its parser. */
export interface TableTally {
  /** Malformed lines that were skipped. */
  linesMalformed: number;
  /** Rows that did not fit into the target. */
  overflowed: number;
}

/**
 * Parses bytes[start, end) of a table and returns the position of the first byte that it did not consume: the
 * start of an incomplete line, which the caller passes again with more bytes. With atEnd it consumes
 * everything.
 */
export type TableParser = (bytes: Uint8Array, start: number, end: number, atEnd: boolean) => number;

/**
 * Parses one line that begins at start and ends at a newline, or at a zero byte if the table ended without
 * one. Returns false if the line is malformed.
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
 * Passes each line to parseLine and counts those that it rejects. The last line may lack its newline: a zero
 * byte then follows it, so that a possibly truncated field differs from a complete one.
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

/** Returns a copy of a table's last line, which has no newline, followed by a zero byte. */
export function lineWithSentinel(bytes: Uint8Array, start: number, end: number): Uint8Array {
  const line = new Uint8Array(end - start + 1);
  line.set(bytes.subarray(start, end));
  return line;
}

/** Returns whether a line is the table's header: whether its first word is `word`, in ASCII. */
export function isHeader(bytes: Uint8Array, start: number, word: string): boolean {
  let position = start;
  while (bytes[position] === BLANK) position++;
  for (let i = 0; i < word.length; i++) if (bytes[position + i] !== word.charCodeAt(i)) return false;
  return bytes[position + word.length] === BLANK;
}

/**
 * Reads the fields of one line from left to right. After a malformed field `ok` stays false and further values
 * are meaningless, so callers check it once, at the end of the line. A field is complete only if a blank, a
 * newline or an expected byte follows it.
 */
export class FieldCursor {
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  /** Position of the next byte. */
  at = 0;
  /** Whether everything read so far was well-formed. */
  ok = true;

  /** Starts a line. */
  begin(bytes: Uint8Array, start: number, end: number): void {
    this.#bytes = bytes;
    this.#end = end;
    this.at = start;
    this.ok = true;
  }

  /** Skips blanks and returns whether the line ends there. */
  atEnd(): boolean {
    while (this.at < this.#end && this.#bytes[this.at] === BLANK) this.at++;
    return this.at >= this.#end;
  }

  /** Skips one byte that must have this value. */
  expect(byte: number): void {
    if (this.#bytes[this.at] !== byte || this.at >= this.#end) this.ok = false;
    this.at++;
  }

  /** Reads a decimal number below 2^53 after any blanks. */
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

  /** Reads a decimal number that the kernel prints as signed although it is a 32-bit unsigned one. */
  wrapped32(): number {
    this.#skipBlanks();
    const negative = this.#bytes[this.at] === 45;
    if (negative) this.at++;
    const value = this.decimal();
    if (value > 0xffffffff) this.ok = false;
    return negative ? -value >>> 0 : value;
  }

  /** Reads a decimal number below 2^32. */
  decimal32(): number {
    const value = this.decimal();
    if (value > 0xffffffff) this.ok = false;
    return value;
  }

  /** Reads a hexadecimal number of at most eight digits after any blanks. */
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
   * Skips a kernel pointer: digits, or what kernels print instead ("(null)", "(____ptrval____)"). Its width
   * depends on the host.
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

/** Returns whether a byte may be part of a printed kernel pointer. */
export function isPointerByte(byte: number): boolean {
  return pointerBytes[byte] === 1;
}
