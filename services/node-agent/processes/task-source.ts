// Every process of the node from one read of a BPF iterator, where the kernel and this process's capabilities
// allow it.

import type { Task } from "../kernel/bpf/task-iterator.ts";
import { TaskIterator } from "../kernel/bpf/task-iterator.ts";

/** Calls back for every process that is not ending; false where the kernel cannot be asked (any more). */
export type TaskSource = (callback: (task: Readonly<Task>) => void) => boolean;

/** The running kernel's processes; it must be asked only about a /proc of this process's own pid namespace. */
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
      // The reader says why BPF does not work here; without it /proc tells the same.
      failed = true;
      return false;
    }
  };
}
