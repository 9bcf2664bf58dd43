// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// Shared by our BPF programs: the numbers of kernel helpers, the contexts of iterators, and the instructions
// that write a record into the iterator's file.

import type { BpfProgram, Register } from "./bpf-program.ts";
import type { KernelTypes } from "./kernel-types.ts";

/** Helpers by number (include/uapi/linux/bpf.h), with the kernel version that introduced each. */
export const Helper = {
  /** bpf_ktime_get_ns: nanoseconds of CLOCK_MONOTONIC. */
  nowNs: 5,
  /** bpf_get_socket_cookie; 5.12 for tracing programs. */
  getSocketCookie: 46,
  /** bpf_probe_read_kernel, 5.5. */
  probeReadKernel: 113,
  /** bpf_jiffies64, 5.6. */
  jiffies64: 118,
  /** bpf_seq_write, 5.8. */
  seqWrite: 127,
  /** bpf_ringbuf_output, 5.8. */
  ringOutput: 130,
  /** bpf_skc_to_tcp_sock, 5.9. */
  toTcpSock: 137,
  /** bpf_get_current_task_btf, 5.11. */
  currentTask: 158,
  /** bpf_sock_from_file, 5.11. */
  sockFromFile: 162,
  /** bpf_skc_to_unix_sock, 5.16. */
  toUnixSock: 178,
} as const;

/** Offsets in struct bpf_iter__task. */
export const TaskContext = { meta: 0, task: 8 } as const;

/** Offsets in struct bpf_iter__task_file. */
export const TaskFileContext = { meta: 0, task: 8, fd: 16, file: 24 } as const;

/**
 * Writes `bytes` bytes from the top of the stack to the iterator's file; R6 holds the context. Clobbers R1 to
 * R5.
 */
export function writeRecord(program: BpfProgram, types: KernelTypes, bytes: number): BpfProgram {
  loadSeq(program, types);
  return program.move(2, 10).add(2, -bytes).set(3, bytes).call(Helper.seqWrite);
}

/**
 * Writes the first `bytes` bytes of an array map's value to the iterator's file; R6 holds the context.
 * Clobbers R1 to R5.
 */
export function writeMapValue(
  program: BpfProgram,
  types: KernelTypes,
  map: number,
  bytes: number,
): BpfProgram {
  loadSeq(program, types);
  return program.mapValue(2, map).set(3, bytes).call(Helper.seqWrite);
}

// Loads the iterator's file into R1. `meta` is the first member of every iterator's context.
function loadSeq(program: BpfProgram, types: KernelTypes): void {
  program.load(8, 1, 6, TaskContext.meta).load(8, 1, 1, types.of("bpf_iter_meta", "seq"));
}

/**
 * Loads the sock of the struct file in register `file` into `into`; jumps to `elsewhere` if the file is not a
 * socket.
 */
export function loadSock(
  program: BpfProgram,
  types: KernelTypes,
  file: Register,
  into: Register,
  elsewhere: string,
): void {
  program.move(1, file).call(Helper.sockFromFile).jumpIfEqual(0, 0, elsewhere);
  program.load(8, into, 0, types.of("socket", "sk")).jumpIfEqual(into, 0, elsewhere);
}
