// Reads a file in /proc from start to end through one reused buffer and passes it to the parsers of procfs/ in
// chunks.

import { closeSync, openSync, readSync } from "node:fs";
import type { TableParser } from "../procfs/table-lines.ts";

/**
 * Bytes of the buffer. The kernel returns at most 4 KiB per read whatever the buffer size, and no line of its
 * tables comes near this; a longer line is malformed and is cut here.
 */
export const TABLE_BUFFER_BYTES = 65_536;

/** Why a file could not be read: "absent" if it or its process does not exist; "denied" otherwise. */
type TableFailure = "absent" | "denied";

/** Reads files one after the other through the same buffer. Parsers must not keep references into it. */
export class TableFile {
  readonly #buffer = new Uint8Array(TABLE_BUFFER_BYTES);

  /**
   * Passes the whole file to the parser and returns null on success. What was parsed before a failure stays
   * parsed.
   */
  read(path: string, parse: TableParser): TableFailure | null {
    let descriptor;
    try {
      descriptor = openSync(path, "r");
    } catch (error) {
      return failureOf(error);
    }
    try {
      this.#feed(descriptor, parse);
      return null;
    } catch (error) {
      return failureOf(error);
    } finally {
      closeSync(descriptor);
    }
  }

  // Moves the rest of a line to the front before the next read, so that the kernel always writes to the same
  // few pages, which stay in the cache.
  #feed(descriptor: number, parse: TableParser): void {
    const buffer = this.#buffer;
    let length = 0;
    for (;;) {
      // A line that fills the whole buffer is malformed: the parser counts it, and its rest after the next
      // newline.
      if (length === TABLE_BUFFER_BYTES) length -= parse(buffer, 0, length, true);
      const count = readSync(descriptor, buffer, length, TABLE_BUFFER_BYTES - length, null);
      length += count;
      const parsed = parse(buffer, 0, length, count === 0);
      if (count === 0) return;
      if (parsed > 0) buffer.copyWithin(0, parsed, length);
      length -= parsed;
    }
  }
}

function failureOf(error: unknown): TableFailure {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR" ? "absent" : "denied";
}
