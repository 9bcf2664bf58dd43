// The system calls that Node.js lacks, by way of koffi: setns and sockets of families that it does not know. Loaded
// when first asked for, since many runs need none of them.

import { createRequire } from "node:module";

import type * as Koffi from "koffi";

/** libc, as far as it is used here. Each function gives -1 where it fails, and errorNumber() tells why. */
export interface Syscalls {
  readonly setns: (descriptor: number, type: number) => number;
  readonly socket: (family: number, type: number, protocol: number) => number;
  /** The socket option whose value is a struct timeval. */
  readonly setsockopt: (
    descriptor: number,
    level: number,
    option: number,
    value: Uint8Array,
    bytes: number,
  ) => number;
  readonly send: (descriptor: number, bytes: Uint8Array, length: number, flags: number) => number;
  readonly recv: (descriptor: number, bytes: Uint8Array, length: number, flags: number) => number;
  readonly close: (descriptor: number) => number;
  /** errno of the call that failed last on this thread. */
  readonly errorNumber: () => number;
}

/** Why a system call failed. */
export class SyscallError extends Error {
  readonly syscall: string;
  readonly errorNumber: number;

  constructor(syscall: string, errorNumber: number) {
    super(`${syscall} failed with errno ${errorNumber}`);
    this.name = "SyscallError";
    this.syscall = syscall;
    this.errorNumber = errorNumber;
  }
}

let loaded: Syscalls | undefined;

/** The system calls; throws where koffi has no build for this platform. */
export function syscalls(): Syscalls {
  loaded ??= load();
  return loaded;
}

function load(): Syscalls {
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  // The program itself is linked with libc, whichever that is (glibc or musl).
  const libc = koffi.load(null);
  return {
    setns: libc.func("int setns(int, int)"),
    socket: libc.func("int socket(int, int, int)"),
    setsockopt: libc.func("int setsockopt(int, int, int, const void *, uint32_t)"),
    send: libc.func("int64_t send(int, const void *, size_t, int)"),
    recv: libc.func("int64_t recv(int, _Out_ uint8_t *, size_t, int)"),
    close: libc.func("int close(int)"),
    errorNumber: () => koffi.errno(),
  };
}
