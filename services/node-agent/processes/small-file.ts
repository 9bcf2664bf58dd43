// Reads the small files and links of a process's directory below /proc. What cannot be read is a value, since
// processes vanish at any moment and may be someone else's.

import { closeSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs";

/** Bytes that are read of a file at most; stat, status and cgroup are far smaller. */
const SMALL_FILE_BYTES = 65_536;

const buffer = Buffer.alloc(SMALL_FILE_BYTES);

/** Why something could not be read: it is not there (any more), or the kernel refuses it. */
type Unread = { readonly reason: "absent" | "denied"; readonly code: string };

/** What was read, or why not. */
type Read = { readonly text: string } | Unread;

/** The file's text, as UTF-8 with replacement characters; cut at SMALL_FILE_BYTES. */
export function readText(path: string): Read {
  let descriptor;
  try {
    descriptor = openSync(path, "r");
    let end = 0;
    for (;;) {
      const count = readSync(descriptor, buffer, end, SMALL_FILE_BYTES - end, null);
      end += count;
      if (count === 0 || end === SMALL_FILE_BYTES) return { text: buffer.toString("utf8", 0, end) };
    }
  } catch (error) {
    return unread(error);
  } finally {
    if (descriptor !== undefined) closeSync(descriptor);
  }
}

/**
 * The target of a link; in a saved tree a regular file may stand in for the link, with the target as its text.
 */
export function readLink(path: string): Read {
  try {
    return { text: readlinkSync(path) };
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EINVAL") return unread(error);
  }
  try {
    return { text: readFileSync(path, "utf8").trim() };
  } catch (error) {
    return unread(error);
  }
}

/** Tells why a system call on a path below /proc failed. */
export function unread(error: unknown): Unread {
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  const absent = code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR";
  return { reason: absent ? "absent" : "denied", code };
}
