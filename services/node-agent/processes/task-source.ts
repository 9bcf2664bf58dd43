// Reads every process of the node with one read of a BPF iterator, if the kernel and this process's
// capabilities allow it.

import type { Task } from "../kernel/bpf/task-iterator.ts";
import { TaskIterator } from "../kernel/bpf/task-iterator.ts";

/**
 * Calls back for every process that is not exiting; returns false if the kernel cannot report them (any more).
 */
export type TaskSource = (callback: (task: Readonly<Task>) => void) => boolean;

/**
 * Creates a source of the running kernel's processes. Use it only with a /proc of this process's own pid
 * namespace.
 */
export function createTaskSource(): TaskSource {
  let iterator: TaskIterator | null = null;
  let failed = false;
  return (callback) => {
    if (failed) return false;
    try {
      iterator ??= TaskIterator.load();
      iterator.forEach(callback);
      return true;
    } catch {
      // The reader reports why BPF does not work here; without it /proc has the same processes.
      failed = true;
      return false;
    }
  };
}
