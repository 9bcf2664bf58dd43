// SPDX-License-Identifier: Apache-2.0 OR GPL-2.0-only

// A read-only BPF iterator over every task (`iter/task`): reads all processes of the node in one read, for
// which the process scan otherwise reads three files each. It only runs while it is read, and changes nothing.

import { TICK_NS } from "../../../../lib/ticks.ts";
import { hostIsLittleEndian, uint64 } from "../byte-order.ts";
import { PIDS_MAX } from "../constants.ts";
import { TaskContext, writeRecord } from "./bpf-helpers.ts";
import { BpfIterator } from "./bpf-iterator.ts";
import { BpfProgram } from "./bpf-program.ts";
import type { Register, Width } from "./bpf-program.ts";
import type { KernelTypes } from "./kernel-types.ts";
import { BTF_PATH, withKernelTypes } from "./kernel-types.ts";
import { loadPid, ownPidLevel } from "./pid-namespace.ts";

/** Bytes of comm. */
const NAME_BYTES = 16;

/** Byte offsets of a record's fields; numbers are in the host's order. */
const TaskRecord = {
  pid: 0,
  parentPid: 4,
  /** Inode of the network namespace; 0 for an exiting process. */
  namespace: 8,
  uid: 12,
  /** Nanoseconds since boot. */
  start: 16,
  name: 24,
  /** Inode of the cgroup's directory if the node uses cgroup v2. */
  cgroup: 40,
  /** Incremented by each execve(). */
  executions: 48,
  /** Inode of the mount namespace: with the cgroup it identifies the container. */
  mountNamespace: 52,
  /** Cookie of the network namespace; 0 if the kernel gives it none. */
  namespaceCookie: 56,
  bytes: 64,
} as const;

/** One process; a reading reuses the same object for each. */
export interface Task {
  pid: number;
  parentPid: number;
  /** Start in clock ticks since boot, as in /proc/<pid>/stat. */
  startTicks: number;
  /** Inode of the network namespace. */
  namespaceInode: number;
  /** Cookie of the network namespace, which unlike its inode is never used again; 0 if it is not known. */
  namespaceCookie: number;
  /** comm. */
  name: string;
  /** Inode of the cgroup's directory in the v2 hierarchy; 0 if the kernel has none. */
  cgroup: number;
  /** Inode of the mount namespace. */
  mountNamespace: number;
  /** Changes whenever the process's owner, cgroup, mount namespace or program does. */
  marks: string;
}

/** A loaded program. */
export class TaskIterator {
  readonly #iterator: BpfIterator;

  private constructor(iterator: BpfIterator) {
    this.#iterator = iterator;
  }

  /** Loads the program. Throws an error with the reason. */
  static load(): TaskIterator {
    return withKernelTypes(BTF_PATH, (types) => {
      const target = types.functionId("bpf_iter_task");
      if (target === null) throw new Error("this kernel has no iterator over tasks (since 5.8)");
      const program = assembleTaskProgram(types, ownPidLevel(types, target));
      // 56 bytes per process: 235 MB at most; further ones are counted.
      return new TaskIterator(BpfIterator.load(program, target, TaskRecord.bytes, PIDS_MAX));
    });
  }

  /**
   * Calls back for every process of this pid namespace that is not exiting. Throws SyscallError, or the error
   * of reading.
   */
  forEach(callback: (task: Readonly<Task>) => void): void {
    const { bytes } = this.#iterator.read();
    const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
    const task: Task = {
      pid: 0,
      parentPid: 0,
      startTicks: 0,
      namespaceInode: 0,
      namespaceCookie: 0,
      name: "",
      cgroup: 0,
      mountNamespace: 0,
      marks: "",
    };
    const word = (at: number): number => view.getUint32(at, hostIsLittleEndian);
    for (let at = 0; at < bytes.length; at += TaskRecord.bytes) {
      task.pid = word(at + TaskRecord.pid);
      task.parentPid = word(at + TaskRecord.parentPid);
      task.namespaceInode = word(at + TaskRecord.namespace);
      task.startTicks = Math.floor(uint64(view, at + TaskRecord.start, hostIsLittleEndian) / TICK_NS);
      task.name = text(bytes, at + TaskRecord.name);
      task.namespaceCookie = uint64(view, at + TaskRecord.namespaceCookie, hostIsLittleEndian);
      task.cgroup = uint64(view, at + TaskRecord.cgroup, hostIsLittleEndian);
      task.mountNamespace = word(at + TaskRecord.mountNamespace);
      task.marks = `${word(at + TaskRecord.uid)} ${task.cgroup} ${task.mountNamespace} ${word(at + TaskRecord.executions)}`;
      callback(task);
    }
  }

  close(): void {
    this.#iterator.close();
  }
}

/** Assembles the program for a reader in a pid namespace at depth `level`. */
export function assembleTaskProgram(types: KernelTypes, level: number): BpfProgram {
  const record = (offset: number): number => offset - TaskRecord.bytes;
  const program = new BpfProgram();
  const keep = (width: Width, from: Register, offset: number, field: number): void => {
    program.load(width, 1, from, offset).store(width, 10, record(field), 1);
  };
  const task = (name: string): number => types.of("task_struct", name);
  // R6 is the context, R7 the task, R8 its parent.
  program.move(6, 1);
  program.load(8, 7, 6, TaskContext.task).jumpIfEqual(7, 0, "out");
  // Threads share what their process has.
  program.load(4, 1, 7, task("pid")).load(4, 2, 7, task("tgid")).jumpUnlessSame(1, 2, "out");
  program.load(4, 1, 7, task("exit_state")).jumpIfDifferent(1, 0, "out");
  for (let offset = 0; offset < TaskRecord.bytes; offset += 8) program.clear(10, record(offset));
  loadPid(program, types, 7, level, "out");
  program.store(4, 10, record(TaskRecord.pid), 1);
  program.load(8, 8, 7, task("real_parent"));
  loadPid(program, types, 8, level, "without parent");
  program.store(4, 10, record(TaskRecord.parentPid), 1).label("without parent");
  program.load(8, 3, 7, task("nsproxy")).load(8, 3, 3, types.of("nsproxy", "net_ns"));
  keep(4, 3, types.of("net", "ns", "inum"), TaskRecord.namespace);
  if (types.has("net", "net_cookie")) keep(8, 3, types.of("net", "net_cookie"), TaskRecord.namespaceCookie);
  program.load(8, 1, 7, task("real_cred"));
  keep(4, 1, types.of("cred", "uid"), TaskRecord.uid);
  keep(8, 7, task("start_boottime"), TaskRecord.start);
  for (let at = 0; at < NAME_BYTES; at += 8) keep(8, 7, task("comm") + at, TaskRecord.name + at);
  if (types.has("task_struct", "cgroups")) {
    program.load(8, 1, 7, task("cgroups")).load(8, 1, 1, types.of("css_set", "dfl_cgrp"));
    program.load(8, 1, 1, types.of("cgroup", "kn"));
    keep(8, 1, types.of("kernfs_node", "id"), TaskRecord.cgroup);
  }
  program.load(8, 1, 7, task("nsproxy")).load(8, 1, 1, types.of("nsproxy", "mnt_ns"));
  keep(4, 1, types.of("mnt_namespace", "ns", "inum"), TaskRecord.mountNamespace);
  keep(4, 7, task("self_exec_id"), TaskRecord.executions);
  return writeRecord(program, types, TaskRecord.bytes).label("out").set(0, 0).exit();
}

const names = new TextDecoder();

// comm ends with a zero byte; it may contain any other byte.
function text(bytes: Uint8Array, at: number): string {
  let end = at;
  while (end < at + NAME_BYTES && bytes[end] !== 0) end++;
  return names.decode(bytes.subarray(at, end));
}
