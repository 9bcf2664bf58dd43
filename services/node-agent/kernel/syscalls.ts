// Calls the system calls that Node.js lacks through koffi: setns, and sockets of other families. koffi is
// loaded on first use, since many runs need none of them.

import { createRequire } from "node:module";

import type * as Koffi from "koffi";

/**
 * The functions of libc that are used here. Each returns -1 on failure, and errorNumber() then returns the
 * reason.
 */
interface Syscalls {
  readonly setns: (descriptor: number, type: number) => number;
  readonly socket: (family: number, type: number, protocol: number) => number;
  /** `value` is an int or a struct timeval, depending on the option. */
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
  /**
   * Receives up to `count` datagrams, described by an array of struct mmsghdr; returns how many were received.
   */
  readonly recvmmsg: (
    descriptor: number,
    messages: BigUint64Array,
    count: number,
    flags: number,
    timeout: null,
  ) => number;
  /** poll(2) on an array of struct pollfd; returns how many of them have something to say. */
  readonly poll: (descriptors: Int32Array, count: number, timeoutMs: number) => number;
  /**
   * Returns the address of an ArrayBuffer's bytes. Keep a reference to it while the kernel may write to them.
   */
  readonly addressOf: (buffer: ArrayBuffer) => bigint;
  /** mmap(2); returns the address, or MAP_FAILED. */
  // oxlint-disable-next-line max-params -- the parameters of mmap(2), in their order
  readonly map: (
    address: null,
    bytes: number,
    protection: number,
    flags: number,
    descriptor: number,
    offset: number,
  ) => bigint;
  readonly unmap: (address: bigint, bytes: number) => number;
  /** Returns the bytes at an address, without copying them. */
  readonly viewOf: (address: bigint, bytes: number) => ArrayBuffer;
  /** Returns the bytes of a page of memory. */
  readonly pageBytes: () => number;
  /** Returns the nanoseconds between two ticks of the kernel's coarse clock: the length of a jiffy. */
  readonly jiffyNs: () => number;
  /** Calls back from the event loop whenever a descriptor is readable, without keeping the process alive. */
  readonly watch: (descriptor: number, readable: () => void) => DescriptorWatch;
  /** Returns errno of the last failed call on this thread. */
  readonly errorNumber: () => number;
}

/** A watch on a descriptor. */
export interface DescriptorWatch {
  /** Stops the callbacks; the descriptor may then be closed. */
  close(): void;
}

/** Reports why a system call failed. */
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

// include/uapi/linux/time.h.
const CLOCK_MONOTONIC_COARSE = 6;

let loaded: Syscalls | undefined;

/** Returns the system calls; throws if koffi has no build for this platform. */
export function syscalls(): Syscalls {
  loaded ??= load();
  return loaded;
}

function load(): Syscalls {
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  // The program itself is linked with libc, either glibc or musl.
  const libc = koffi.load(null);
  const pageBytes = libc.func("int getpagesize()");
  const clockResolution = libc.func("int clock_getres(int, _Out_ int64_t *)");
  return {
    setns: libc.func("int setns(int, int)"),
    socket: libc.func("int socket(int, int, int)"),
    setsockopt: libc.func("int setsockopt(int, int, int, const void *, uint32_t)"),
    send: libc.func("int64_t send(int, const void *, size_t, int)"),
    recv: libc.func("int64_t recv(int, _Out_ uint8_t *, size_t, int)"),
    close: libc.func("int close(int)"),
    bind: libc.func("int bind(int, const void *, uint32_t)"),
    recvmmsg: libc.func("int recvmmsg(int, void *, unsigned int, int, void *)"),
    poll: libc.func("int poll(void *, unsigned long, int)"),
    addressOf: (buffer) => koffi.address(buffer),
    map: libc.func("void *mmap(void *, size_t, int, int, int, int64_t)"),
    unmap: libc.func("int munmap(void *, size_t)"),
    viewOf: (address, bytes) => koffi.view(address, bytes),
    pageBytes: () => pageBytes(),
    jiffyNs: () => {
      const time = new BigInt64Array(2);
      return clockResolution(CLOCK_MONOTONIC_COARSE, time) < 0 ? Number.NaN : Number(time[1]);
    },
    watch: (descriptor, readable) => {
      const handle = koffi.node.poll(descriptor, { readable: true }, () => readable());
      handle.unref();
      return { close: () => handle.close() };
    },
    errorNumber: () => koffi.errno(),
  };
}

/** A program in the form that bpf(BPF_PROG_LOAD) needs. */
interface BpfLoad {
  readonly command: number;
  readonly programType: number;
  readonly attachType: number;
  readonly functionId: number;
  /** Number of instructions, and their bytes. */
  readonly count: number;
  readonly instructions: Uint8Array;
  /** As in include/linux/license.h; any other text counts as incompatible with the GPL. */
  readonly license: string;
  readonly logLevel: number;
  readonly log: Uint8Array;
}

/** bpf(2), for which libc has no function. Each returns -1 on failure. */
interface BpfLibrary {
  readonly bpf: (command: number, attributes: Uint8Array, bytes: number) => number;
  readonly load: (program: BpfLoad) => number;
}

// Number of the system call by architecture (asm/unistd.h); unknown for any other architecture.
const bpfNumbers: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 321,
  arm64: 280,
  riscv64: 280,
  loong64: 280,
  s390x: 351,
  ppc64: 361,
};

let bpfLoaded: BpfLibrary | undefined;

/** Returns bpf(2); throws if koffi has no build for this platform, or the number of the call is unknown. */
export function bpfLibrary(): BpfLibrary {
  bpfLoaded ??= openBpf();
  return bpfLoaded;
}

function openBpf(): BpfLibrary {
  const number = bpfNumbers[process.arch];
  if (number === undefined) throw new Error(`the number of bpf(2) on ${process.arch} is not known`);
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const libc = koffi.load(null);
  // The start of union bpf_attr for BPF_PROG_LOAD (include/uapi/linux/bpf.h), up to attach_btf_id and its
  // padding.
  koffi.struct("whotalks_bpf_load", {
    programType: "uint32_t",
    count: "uint32_t",
    instructions: "const void *",
    license: "const char *",
    logLevel: "uint32_t",
    logSize: "uint32_t",
    log: "void *",
    kernelVersion: "uint32_t",
    flags: "uint32_t",
    name: koffi.array("uint8_t", 16),
    interfaceIndex: "uint32_t",
    attachType: "uint32_t",
    typesDescriptor: "uint32_t",
    functionInfoSize: "uint32_t",
    functionInfo: "uint64_t",
    functionInfoCount: "uint32_t",
    lineInfoSize: "uint32_t",
    lineInfo: "uint64_t",
    lineInfoCount: "uint32_t",
    attachFunctionId: "uint32_t",
    attachDescriptor: "uint32_t",
    padding: "uint32_t",
  });
  const plain = libc.func("int64_t syscall(int64_t, int64_t, const void *, int64_t)");
  const loading = libc.func("int64_t syscall(int64_t, int64_t, const whotalks_bpf_load *, int64_t)");
  return {
    bpf: (command, attributes, bytes) => Number(plain(number, command, attributes, bytes)),
    load: ({ command, programType, attachType, functionId, count, instructions, license, logLevel, log }) =>
      Number(
        loading(
          number,
          command,
          {
            programType,
            count,
            instructions,
            license,
            logLevel,
            logSize: logLevel === 0 ? 0 : log.length,
            log: logLevel === 0 ? null : log,
            kernelVersion: 0,
            flags: 0,
            name: [...Buffer.from("whotalks_socks\0\0")],
            interfaceIndex: 0,
            attachType,
            typesDescriptor: 0,
            functionInfoSize: 0,
            functionInfo: 0,
            functionInfoCount: 0,
            lineInfoSize: 0,
            lineInfo: 0,
            lineInfoCount: 0,
            attachFunctionId: functionId,
            attachDescriptor: 0,
            padding: 0,
          },
          120,
        ),
      ),
  };
}
