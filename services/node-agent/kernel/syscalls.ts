// The system calls that Node.js lacks, by way of koffi: setns and sockets of families that it does not know.
// Loaded when first asked for, since many runs need none of them.

import { createRequire } from "node:module";

import type * as Koffi from "koffi";

/** libc, as far as it is used here. Each function gives -1 where it fails, and errorNumber() tells why. */
interface Syscalls {
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
  /** Nanoseconds between two ticks of the kernel's coarse clock: what a jiffy lasts. */
  readonly jiffyNs: () => number;
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

// include/uapi/linux/time.h.
const CLOCK_MONOTONIC_COARSE = 6;

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
    addressOf: (buffer) => koffi.address(buffer),
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

/** A program as bpf(BPF_PROG_LOAD) takes it. */
interface BpfLoad {
  readonly command: number;
  readonly programType: number;
  readonly attachType: number;
  readonly functionId: number;
  /** Number of instructions, and their bytes. */
  readonly count: number;
  readonly instructions: Uint8Array;
  /** As include/linux/license.h knows them; anything else counts as not compatible with the GPL. */
  readonly license: string;
  readonly logLevel: number;
  readonly log: Uint8Array;
}

/** bpf(2), which libc has no function for. Each gives -1 where it fails. */
interface BpfLibrary {
  readonly bpf: (command: number, attributes: Uint8Array, bytes: number) => number;
  readonly load: (program: BpfLoad) => number;
}

// Numbers of the system call by architecture (asm/unistd.h); those that are not here have none that we know.
const bpfNumbers: Partial<Record<NodeJS.Architecture, number>> = {
  x64: 321,
  arm64: 280,
  riscv64: 280,
  loong64: 280,
  s390x: 351,
  ppc64: 361,
};

let bpfLoaded: BpfLibrary | undefined;

/** bpf(2); throws where koffi has no build for this platform, or the number of the call is not known. */
export function bpfLibrary(): BpfLibrary {
  bpfLoaded ??= openBpf();
  return bpfLoaded;
}

function openBpf(): BpfLibrary {
  const number = bpfNumbers[process.arch];
  if (number === undefined) throw new Error(`the number of bpf(2) on ${process.arch} is not known`);
  const koffi = createRequire(import.meta.url)("koffi") as typeof Koffi;
  const libc = koffi.load(null);
  // The beginning of union bpf_attr for BPF_PROG_LOAD (include/uapi/linux/bpf.h), up to attach_btf_id and its
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
