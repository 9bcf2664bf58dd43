// Reads the small files and links of a process's directory in /proc. Failures are values, since processes
// vanish at any moment and may belong to others.

import { closeSync, openSync, readFileSync, readlinkSync, readSync } from "node:fs";

/** Maximum bytes read of a file; stat, status and cgroup are far smaller. */
const SMALL_FILE_BYTES = 65_536;

const buffer = Buffer.alloc(SMALL_FILE_BYTES);

/** Why something could not be read: it does not exist (any more), or the kernel denies access. */
type Unread = { readonly reason: "absent" | "denied"; readonly code: string };

/** The text that was read, or why it could not be. */
type Read = { readonly text: string } | Unread;

/** Reads a file's text, as UTF-8 with replacement characters; truncates it at SMALL_FILE_BYTES. */
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
 * Reads the target of a link. In a saved tree a regular file may replace the link, with the target as its
 * text.
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

/** Classifies the error of a system call on a path in /proc. */
export function unread(error: unknown): Unread {
  const code = (error as NodeJS.ErrnoException).code ?? "EIO";
  const absent = code === "ENOENT" || code === "ESRCH" || code === "ENOTDIR";
  return { reason: absent ? "absent" : "denied", code };
}
