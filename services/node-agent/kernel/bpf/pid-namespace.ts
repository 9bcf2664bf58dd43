// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// The instructions that tell a task's pid as the reader's pid namespace numbers it (kind's nodes, a pod
// without the host's pids): a struct pid has one number for each level of namespaces.

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
 * Loads into R1 the number that the process of the task in `task` has in a pid namespace that is `level` deep:
 * the reader's, of which iterators walk the tasks only. Jumps to `elsewhere` where the task (a parent) is in
 * one above. Loses R1 to R4.
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
    // Whatever lies behind the numbers of a pid of a level above is not to be read.
    program.load(4, 4, 3, types.of("pid", "level"));
    for (let above = 0; above < level; above++) program.jumpIfEqual(4, above, elsewhere);
  }
  program.load(4, 1, 3, types.of("pid", "numbers") + UPID_BYTES * level);
}

/**
 * How deep this process's pid namespace is: 0 for the first one. No file tells it (NSpid of /proc/self/status
 * begins at the namespace of the mount): a program asks the kernel, once. 0 too where the kernel has no way to
 * tell (before 5.11).
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

/** Assembles the program that writes the reading process's level. */
export function assemblePidProgram(types: KernelTypes): BpfProgram {
  const program = new BpfProgram();
  program.move(6, 1).call(Helper.currentTask);
  program.load(8, 1, 0, types.of("task_struct", "thread_pid")).load(4, 1, 1, types.of("pid", "level"));
  program.clear(10, -8).store(4, 10, -8, 1);
  return writeRecord(program, types, 8).set(0, 0).exit();
}
