// Lists the sockets of one process from <pid>/fd: each entry there is a link, and that of a socket reads
// "socket:[inode]".

import { readdirSync, readlinkSync, statSync } from "node:fs";

import { unread } from "./small-file.ts";

/**
 * The sockets of one process: descriptor numbers and the inodes at the same positions, in ascending order of
 * descriptor.
 */
export interface FdList {
  readonly fds: Uint32Array;
  readonly inodes: Uint32Array;
  /** Number of descriptors of any kind: the cost of reading them. */
  readonly entries: number;
}

/** The list of a process without sockets. */
export const NO_FDS: FdList = { fds: new Uint32Array(0), inodes: new Uint32Array(0), entries: 0 };

/**
 * Reads a process's descriptors from a directory like /proc/<pid>/fd. Returns the list, or why it cannot be
 * read. Descriptors that are closed meanwhile are left out.
 */
export function readFdList(directory: string): FdList | "absent" | "denied" {
  let names: string[];
  try {
    names = readdirSync(directory);
  } catch (error) {
    return unread(error).reason;
  }
  let fds = new Uint32Array(Math.min(64, names.length));
  let inodes = new Uint32Array(fds.length);
  let length = 0;
  let denied = 0;
  for (const name of names) {
    const inode = socketInode(`${directory}/${name}`);
    if (inode === DENIED) denied++;
    if (inode <= 0) continue;
    if (length === fds.length) {
      fds = doubled(fds, names.length);
      inodes = doubled(inodes, names.length);
    }
    fds[length] = Number(name);
    inodes[length] = inode;
    length++;
  }
  // If the directory can be listed but none of its links can be read, nothing is known.
  if (denied > 0 && length === 0) return "denied";
  if (length === 0) return { ...NO_FDS, entries: names.length };
  return inOrder({ fds: fds.slice(0, length), inodes: inodes.slice(0, length), entries: names.length });
}

/**
 * Counts a process's descriptors without reading them. Since Linux 6.2 this is the size that stat reports for
 * /proc/<pid>/fd; before, it is 0. In other directories, as in a saved tree, it is a number that changes only
 * with the directory. Returns -1 if the process is gone or hidden.
 */
export function countFds(directory: string): number {
  try {
    return statSync(directory, { throwIfNoEntry: false })?.size ?? -1;
  } catch {
    return -1;
  }
}

const DENIED = -1;
const PREFIX = "socket:[";

// Returns the inode of the socket that a link refers to; 0 for anything else, DENIED if it may not be read.
function socketInode(link: string): number {
  let target: string;
  try {
    target = readlinkSync(link);
  } catch (error) {
    return unread(error).reason === "denied" && (error as NodeJS.ErrnoException).code !== "EINVAL"
      ? DENIED
      : 0;
  }
  if (!target.startsWith(PREFIX) || !target.endsWith("]")) return 0;
  const inode = Number(target.slice(PREFIX.length, -1));
  return Number.isInteger(inode) && inode > 0 && inode <= 0xffffffff ? inode : 0;
}

function doubled(column: Uint32Array, most: number): Uint32Array<ArrayBuffer> {
  const larger = new Uint32Array(Math.min(most, Math.max(64, column.length * 2)));
  larger.set(column);
  return larger;
}

// The kernel lists descriptors in ascending order; other directories may not.
function inOrder(list: FdList): FdList {
  const { fds, inodes, entries } = list;
  let ascending = true;
  for (let i = 1; i < fds.length; i++) ascending &&= fds[i - 1]! < fds[i]!;
  if (ascending) return list;
  const order = Array.from(fds.keys()).toSorted((a, b) => fds[a]! - fds[b]!);
  return {
    fds: Uint32Array.from(order, (i) => fds[i]!),
    inodes: Uint32Array.from(order, (i) => inodes[i]!),
    entries,
  };
}
