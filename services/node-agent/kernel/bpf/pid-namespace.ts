// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// Instructions that load a task's pid as the reader's pid namespace numbers it (kind's nodes, a pod without
// the host's pids): a struct pid has one number for each level of namespaces.

import { hostIsLittleEndian } from "../byte-order.ts";
import { PIDS_MAX } from "../constants.ts";
import { Helper, writeRecord } from "./bpf-helpers.ts";
import { BpfIterator } from "./bpf-iterator.ts";
import { BpfProgram } from "./bpf-program.ts";
import type { Register } from "./bpf-program.ts";
import type { KernelTypes } from "./kernel-types.ts";

/** struct upid: the number in a pid namespace, and the namespace. */
const UPID_BYTES = 16;

/**
 * Loads into R1 the pid of the process of `task` in the reader's pid namespace, which is at depth `level`;
 * iterators only walk the tasks of that namespace. Jumps to `elsewhere` if the task (a parent) is in a
 * namespace above it. Clobbers R1 to R4.
 */
export function loadPid(
  program: BpfProgram,
  types: KernelTypes,
  task: Register,
  level: number,
  elsewhere: string,
): void {
  program.load(8, 1, task, types.of("task_struct", "group_leader"));
  program.load(8, 3, 1, types.of("task_struct", "thread_pid"));
  if (level > 0) {
    // Do not read past the numbers of a pid from a higher level.
    program.load(4, 4, 3, types.of("pid", "level"));
    for (let above = 0; above < level; above++) program.jumpIfEqual(4, above, elsewhere);
  }
  program.load(4, 1, 3, types.of("pid", "numbers") + UPID_BYTES * level);
}

/**
 * Returns the depth of this process's pid namespace: 0 for the first one. No file has it (NSpid of
 * /proc/self/status begins at the namespace of the mount), so a program asks the kernel once. Also returns 0
 * if the kernel does not know it (before 5.11).
 */
export function ownPidLevel(types: KernelTypes, tasks: number): number {
  let iterator;
  try {
    iterator = BpfIterator.load(assemblePidProgram(types), tasks, 8, PIDS_MAX);
  } catch {
    return 0;
  }
  try {
    const { bytes } = iterator.read();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    return bytes.length < 8 ? 0 : view.getUint32(0, hostIsLittleEndian);
  } finally {
    iterator.close();
  }
}

/** Assembles the program that writes the level of the reading process. */
export function assemblePidProgram(types: KernelTypes): BpfProgram {
  const program = new BpfProgram();
  program.move(6, 1).call(Helper.currentTask);
  program.load(8, 1, 0, types.of("task_struct", "thread_pid")).load(4, 1, 1, types.of("pid", "level"));
  program.clear(10, -8).store(4, 10, -8, 1);
  return writeRecord(program, types, 8).set(0, 0).exit();
}
