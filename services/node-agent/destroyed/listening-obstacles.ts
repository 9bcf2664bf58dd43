// Explains why listening for destroyed sockets failed.

import { SyscallError } from "../kernel/syscalls.ts";

/** Returns why listening failed, as a sentence that says what it needs. */
export function sentence(error: unknown): string {
  if (!(error instanceof SyscallError)) return (error as Error).message;
  switch (error.syscall) {
    case "setsockopt":
      return "receiving their events needs the capability NET_BROADCAST";
    case "setns":
      return "this process is not in the node's network namespace and may not enter it (SYS_ADMIN)";
    default:
      return error.message;
  }
}
