// Merges events of destroyed sockets with the passes. The event of a socket may arrive before, with or after
// the pass that no longer finds it; in every case its connection gets its last figures and is counted once.

import { TIME_WAIT_TICKS } from "../../../lib/vocabulary/timers.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { AwaitedEnds } from "./awaited-ends.ts";
import type { IdPool } from "../ids/id-pool.ts";
import { isTimeWait, isUnheld } from "./row-tuples.ts";
import { Merge } from "./merge-destroyed.ts";
import type { MergedEnds, MergeInput } from "./merge-destroyed.ts";

const NONE: MergedEnds = {
  added: new SocketTable(1),
  finals: new SocketTable(1),
  newTcpEnds: new Map(),
};

/** Remembers between passes which TIME_WAIT entries have had their event. */
export class DestroyedEnds {
  readonly #ids: IdPool;
  // By socket id: 1 if the socket's event has arrived.
  #eventArrived = new Uint8Array(1024);
  readonly #awaited = new AwaitedEnds();

  constructor(ids: IdPool) {
    this.#ids = ids;
  }

  /**
   * Merges the events of a pass; rows of `next` whose sockets were destroyed get their final figures in
   * place.
   */
  merge(input: MergeInput): MergedEnds {
    const merge =
      input.events.length === 0
        ? null
        : new Merge(input, this.#ids, (id) => this.#mark(id), this.#hadEvent, this.#awaited);
    const merged = merge?.run() ?? NONE;
    const newTcpEnds = this.#leaveOutEntries(input, merged.newTcpEnds);
    this.#forgetGone(input);
    return { ...merged, newTcpEnds };
  }

  // In a namespace that is listened to, the event reports a connection that no pass saw, not its TIME_WAIT
  // entry: an entry without an event had it in an earlier pass (the entry lives for a minute), or gets it in
  // the next one. If events were lost, an entry that is no older than the loss is the only trace of its
  // connection.
  #leaveOutEntries(
    { next, added, heard, lostSinceTicks }: MergeInput,
    newTcpEnds: ReadonlyMap<number, number>,
  ): ReadonlyMap<number, number> {
    const less = new Map(newTcpEnds);
    let length = 0;
    for (let row = 0; row < next.length; row++) {
      const namespace = next.namespace[row]!;
      // The table still had these when it was read.
      if (isUnheld(next, row) && this.#hadEvent(next.id[row]!)) next.state[row] = SocketState.CLOSE;
      const isLeftOut =
        added.has(next.id[row]!) &&
        isTimeWait(next, row) &&
        !this.#hadEvent(next.id[row]!) &&
        heard(namespace) &&
        (lostSinceTicks === null || next.timerDeadline[row]! - TIME_WAIT_TICKS <= lostSinceTicks);
      if (isLeftOut) {
        this.#ids.giveBack(next.id[row]!);
        less.set(namespace, (less.get(namespace) ?? 0) - 1);
        continue;
      }
      if (length < row) next.copyRow(length, next, row);
      length++;
    }
    next.length = length;
    return less;
  }

  #forgetGone({ previous, continued, ticks }: MergeInput): void {
    this.#awaited.expire(ticks);
    if (continued === null) return;
    for (let row = 0; row < previous.length; row++) {
      if (continued[row] !== 0) continue;
      const id = previous.id[row]!;
      if (this.#hadEvent(id)) this.#eventArrived[id] = 0;
      else this.#awaited.add(previous, row, ticks);
    }
  }

  readonly #hadEvent = (id: number): boolean => this.#eventArrived[id] === 1;

  #mark(id: number): void {
    if (id >= this.#eventArrived.length) {
      const grown = new Uint8Array(Math.max(id + 1, this.#eventArrived.length * 2));
      grown.set(this.#eventArrived);
      this.#eventArrived = grown;
    }
    this.#eventArrived[id] = 1;
  }
}
