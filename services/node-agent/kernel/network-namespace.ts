// Runs an action in another network namespace: setns(2) there, run it, setns back, all synchronously. setns
// moves only the calling thread and no other code runs in between, so nothing else of this process ever runs
// there. A socket that was opened there stays there.

import { closeSync, fstatSync, openSync } from "node:fs";
import { SyscallError, syscalls } from "./syscalls.ts";

const CLONE_NEWNET = 0x40000000;

// This thread's own namespace, opened once, so that setns can return to it. This pins no other namespace.
let own: { readonly descriptor: number; readonly device: number; readonly inode: number } | undefined;

/**
 * Runs a synchronous action in the network namespace of a path like /proc/<pid>/ns/net and returns its result.
 * Throws the error of opening the path, a SyscallError if setns is refused, or what the action throws.
 */
export function inNetworkNamespace<Result>(path: string, action: () => Result): Result {
  own ??= openOwn();
  const descriptor = openSync(path, "r");
  try {
    const { dev, ino } = fstatSync(descriptor);
    // Our own namespace needs no privilege.
    if (dev === own.device && ino === own.inode) return action();
    const { setns, errorNumber } = syscalls();
    if (setns(descriptor, CLONE_NEWNET) < 0) throw new SyscallError("setns", errorNumber());
    try {
      return action();
    } finally {
      if (setns(own.descriptor, CLONE_NEWNET) < 0) abandon(errorNumber());
    }
  } finally {
    closeSync(descriptor);
  }
}

/**
 * Returns null if this process may enter other network namespaces, else the errno: setns to its own namespace
 * needs the same privilege.
 */
export function setnsObstacle(): number | null {
  own ??= openOwn();
  const { setns, errorNumber } = syscalls();
  return setns(own.descriptor, CLONE_NEWNET) < 0 ? errorNumber() : null;
}

function openOwn(): NonNullable<typeof own> {
  const descriptor = openSync("/proc/thread-self/ns/net", "r");
  const { dev, ino } = fstatSync(descriptor);
  return { descriptor, device: dev, inode: ino };
}

// Everything that this thread opened from now on would be in the wrong namespace: aborting is the only safe
// reaction.
function abandon(errorNumber: number): never {
  process.stderr.write(
    `whotalks: cannot return to its own network namespace (setns: errno ${errorNumber}); ending\n`,
  );
  process.abort();
}
