// Reads a file below /proc from its beginning to its end through one reused buffer and hands it on in chunks: what
// stands between the kernel and the parsers in procfs/.

import { closeSync, openSync, readSync } from "node:fs";
import type { TableParser } from "../procfs/table-lines.ts";

/**
 * Bytes of the buffer. The kernel gives at most 4 KiB per read whatever the buffer, and no line of its tables comes
 * near to this; what does is no line, and is cut here.
 */
export const TABLE_BUFFER_BYTES = 65_536;

const READ_BYTES = 4096;

/** Why a file could not be read: "absent" where it is not there, or its process is gone; "denied" else. */
export type TableFailure = "absent" | "denied";

/** Reads files one after the other through the same buffer; nothing of it may be used while it reads. */
export class TableFile {
  readonly #buffer = new Uint8Array(TABLE_BUFFER_BYTES);

  /** Feeds the whole file to the parser; null where that succeeded. What was parsed before a failure stays parsed. */
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

  #feed(descriptor: number, parse: TableParser): void {
    const buffer = this.#buffer;
    let start = 0;
    let end = 0;
    for (;;) {
      if (end + READ_BYTES > TABLE_BUFFER_BYTES) {
        // A line that fills the whole buffer is none: the parser counts it, and its rest after the next newline.
        if (start === 0) start = parse(buffer, 0, end, true);
        buffer.copyWithin(0, start, end);
        end -= start;
        start = 0;
      }
      const count = readSync(descriptor, buffer, end, TABLE_BUFFER_BYTES - end, null);
      end += count;
      start = parse(buffer, start, end, count === 0);
      if (count === 0) return;
    }
  }
}

function failureOf(error: unknown): TableFailure {
  const code = (error as NodeJS.ErrnoException).code;
  return code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR" ? "absent" : "denied";
}
