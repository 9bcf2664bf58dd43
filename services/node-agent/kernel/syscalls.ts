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
  readonly bind: (descriptor: number, address: Uint8Array, bytes: number) => number;
  /** Receives up to `count` datagrams, described by an array of struct mmsghdr; gives how many came. */
  readonly recvmmsg: (
    descriptor: number,
    messages: BigUint64Array,
    count: number,
    flags: number,
    timeout: null,
  ) => number;
  /** Where the bytes of an ArrayBuffer are. They must stay referenced while the kernel may write to them. */
  readonly addressOf: (buffer: ArrayBuffer) => bigint;
  /** Calls back from the event loop whenever a descriptor can be read, without keeping the process alive. */
  readonly watch: (descriptor: number, readable: () => void) => DescriptorWatch;
  /** errno of the call that failed last on this thread. */
  readonly errorNumber: () => number;
}

/** A descriptor that is watched. */
export interface DescriptorWatch {
  /** Calls back no more; the descriptor may be closed then. */
  close(): void;
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
    bind: libc.func("int bind(int, const void *, uint32_t)"),
    recvmmsg: libc.func("int recvmmsg(int, void *, unsigned int, int, void *)"),
    addressOf: (buffer) => koffi.address(buffer),
    watch: (descriptor, readable) => {
      const handle = koffi.node.poll(descriptor, { readable: true }, () => readable());
      handle.unref();
      return { close: () => handle.close() };
    },
    errorNumber: () => koffi.errno(),
  };
}
