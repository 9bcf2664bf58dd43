// Doing one thing in another network namespace: setns(2) there, do it, setns back, in one synchronous stretch
// of JavaScript. setns moves the calling thread only, so that nothing else of this process ever runs there,
// and a socket that was opened there stays there.

import { closeSync, fstatSync, openSync } from "node:fs";
import { SyscallError, syscalls } from "./syscalls.ts";

const CLONE_NEWNET = 0x40000000;

// This thread's own namespace, opened once: what setns goes back to. It pins no namespace but the one we are
// in.
let own: { readonly descriptor: number; readonly device: number; readonly inode: number } | undefined;

/**
 * Runs a synchronous action in the network namespace that a path like /proc/<pid>/ns/net stands for, and gives
 * its result. Throws the error of opening the path, a SyscallError where setns is refused, or what the action
 * throws.
 */
export function inNetworkNamespace<Result>(path: string, action: () => Result): Result {
  own ??= openOwn();
  const descriptor = openSync(path, "r");
  try {
    const { dev, ino } = fstatSync(descriptor);
    // No privilege is needed for the namespace that we are in.
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
 * Null where this process may enter other network namespaces, else the errno of trying: setns to its own asks
 * for the same.
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

// Everything that this thread opens from now on would be in another namespace than it seems: nothing but the
// end of the process is safe.
function abandon(errorNumber: number): never {
  process.stderr.write(
    `whotalks: cannot return to its own network namespace (setns: errno ${errorNumber}); ending\n`,
  );
  process.abort();
}
