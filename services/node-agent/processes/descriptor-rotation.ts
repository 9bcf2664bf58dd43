// Chooses which processes each pass rereads without a sign of change, so that every process has its turn.

/**
 * Descriptors that each pass rereads without a sign of change: about 1 ms. Their rotation bounds the delay for
 * a process that closed one descriptor and opened another.
 */
export const ROTATION_FDS = 256;

/** The same if the kernel (before 6.2) does not report the number of a process's descriptors: about 18 ms. */
const ROTATION_FDS_UNCOUNTED = 4096;

/** Rotates through processes by pid. */
export class DescriptorRotation {
  /** Whether the kernel reports the number of a process's descriptors. */
  isCounted = true;
  #pid = 0;
  #credit = 0;

  /**
   * Returns the processes whose turn it is. Credit that this pass does not use is kept for a process that
   * costs more than one pass may spend.
   */
  next(allPids: Iterable<number>, costOf: (pid: number) => number): number[] {
    this.#credit += this.isCounted ? ROTATION_FDS : ROTATION_FDS_UNCOUNTED;
    const pids = [...allPids].toSorted((a, b) => a - b);
    const chosen: number[] = [];
    const first = Math.max(
      0,
      pids.findIndex((pid) => pid > this.#pid),
    );
    for (let visited = 0; visited < pids.length; visited++) {
      const pid = pids[(first + visited) % pids.length]!;
      const cost = costOf(pid);
      if (cost > this.#credit) return chosen;
      this.#credit -= cost;
      this.#pid = pid;
      chosen.push(pid);
    }
    // Every process had its turn; leftover credit does not accumulate.
    this.#credit = 0;
    return chosen;
  }
}
