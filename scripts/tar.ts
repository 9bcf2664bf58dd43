// Writes tar archives (POSIX.1-1988 ustar): the layers of an image and the image archive itself.
// Deterministic: owner root, time 0, so that the same content has the same digest.

import { Buffer } from "node:buffer";

/** One member of an archive. Paths have no leading slash; `mode` is the permission bits. */
export type TarEntry =
  | { readonly kind: "file"; readonly path: string; readonly mode: number; readonly content: Uint8Array }
  | { readonly kind: "directory"; readonly path: string; readonly mode: number };

const blockBytes = 512;
const nameBytesMax = 100;
const prefixBytesMax = 155;

/**
 * Returns the archive of these entries, in this order, as chunks. Throws a RangeError for a path that ustar
 * cannot hold.
 */
export function tar(entries: Iterable<TarEntry>): Uint8Array[] {
  const chunks: Uint8Array[] = [];
  for (const entry of entries) {
    chunks.push(header(entry));
    if (entry.kind === "directory") continue;
    chunks.push(entry.content);
    const rest = entry.content.length % blockBytes;
    if (rest !== 0) chunks.push(new Uint8Array(blockBytes - rest));
  }
  chunks.push(new Uint8Array(2 * blockBytes));
  return chunks;
}

/** All parent directories of these files, parents first, each once, as entries. */
export function parentDirectories(paths: Iterable<string>): TarEntry[] {
  const found = new Set<string>();
  for (const path of paths) {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth++) found.add(parts.slice(0, depth).join("/"));
  }
  return [...found].toSorted().map((path) => ({ kind: "directory", path, mode: 0o755 }));
}

function header(entry: TarEntry): Buffer {
  const block = Buffer.alloc(blockBytes);
  const { name, prefix } = splitPath(entry.kind === "directory" ? `${entry.path}/` : entry.path);
  block.write(name, 0, "utf8");
  block.write(octal(entry.mode, 7), 100, "ascii");
  block.write(octal(0, 7), 108, "ascii");
  block.write(octal(0, 7), 116, "ascii");
  block.write(octal(entry.kind === "file" ? entry.content.length : 0, 11), 124, "ascii");
  block.write(octal(0, 11), 136, "ascii");
  block.write(" ".repeat(8), 148, "ascii");
  block.write(entry.kind === "file" ? "0" : "5", 156, "ascii");
  block.write("ustar\u000000", 257, "ascii");
  block.write(prefix, 345, "utf8");
  let sum = 0;
  for (const byte of block) sum += byte;
  block.write(`${octal(sum, 6)}\0 `, 148, "ascii");
  return block;
}

/**
 * Splits a path into ustar's two fields: at most 100 bytes after, at most 155 before, a slash between them.
 */
function splitPath(path: string): { name: string; prefix: string } {
  if (Buffer.byteLength(path) <= nameBytesMax) return { name: path, prefix: "" };
  for (let slash = path.indexOf("/"); slash !== -1; slash = path.indexOf("/", slash + 1)) {
    const [prefix, name] = [path.slice(0, slash), path.slice(slash + 1)];
    if (name === "" || Buffer.byteLength(prefix) > prefixBytesMax) break;
    if (Buffer.byteLength(name) <= nameBytesMax) return { name, prefix };
  }
  throw new RangeError(`path too long for a tar archive: ${path}`);
}

/** Formats a number as exactly this many octal digits. */
function octal(value: number, digits: number): string {
  return value.toString(8).padStart(digits, "0");
}
