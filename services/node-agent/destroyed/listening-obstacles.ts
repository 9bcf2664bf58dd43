// Where destroyed sockets are listened to, and what stands in the way of it.

import { readlinkSync } from "node:fs";

import { SyscallError } from "../kernel/syscalls.ts";

/** Inode of the network namespace that a link like /proc/<pid>/ns/net stands for; 0 where it may not be looked at. */
export function inodeOf(path: string): number {
  try {
    return Number(/^net:\[(\d+)\]$/.exec(readlinkSync(path))?.[1] ?? 0);
  } catch {
    return 0;
  }
}

/** Why listening failed, as a sentence that says what it needs. */
export function sentence(error: unknown): string {
  if (!(error instanceof SyscallError)) return (error as Error).message;
  switch (error.syscall) {
    case "setsockopt":
      return "hearing them needs the capability NET_BROADCAST";
    case "setns":
      return "this process is not in the node's network namespace and may not enter it (SYS_ADMIN)";
    default:
      return error.message;
  }
}
