// Sockets as answers show them: their holders, places and kernel state.

import { stateWord } from "../../../lib/vocabulary/states.ts";
import { timerWord } from "../../../lib/vocabulary/timers.ts";
import type { ReadModel } from "../model/model.ts";
import { TICK_MS } from "../../../lib/ticks.ts";
import { primaryProcess } from "../model/nodes/primary-process.ts";
import { Family, isFamily } from "../../../lib/vocabulary/protocols.ts";
import { SocketKind } from "../model/sockets/socket-rows.ts";

/** A process that holds a socket. */
export interface HoldingProcess {
  readonly pid: number;
  readonly name: string;
  readonly exe: string;
  readonly uid: number;
  readonly containerId: string;
}

/** A running timer of a socket. */
export interface RunningTimer {
  readonly kind: string;
  /** Milliseconds from the time of the answer. */
  readonly expiresMs: number;
}

/** Identifies a listener although its slot may be reused. */
export interface ListenerHandle {
  readonly slot: number;
  readonly inode: number;
}

/** Reads sockets by slot. */
export class SocketView {
  readonly #model: ReadModel;

  constructor(model: ReadModel) {
    this.#model = model;
  }

  /** Every listener that exists, by slot. */
  *listeners(): Generator<number> {
    const { sockets } = this.#model;
    for (let slot = 0; slot < sockets.used; slot++) {
      if (sockets.kind(slot) !== SocketKind.listener || !sockets.isLive(slot)) continue;
      if (!this.#model.nodeOfSocket(slot).lost) yield slot;
    }
  }

  /** Orders listeners by protocol, port and namespace. */
  compareListeners(a: number, b: number): number {
    const { sockets } = this.#model;
    return (
      sockets.protocol(a) - sockets.protocol(b) ||
      sockets.localPort(a) - sockets.localPort(b) ||
      sockets.namespace(a) - sockets.namespace(b) ||
      sockets.inode(a) - sockets.inode(b)
    );
  }

  /** Returns a handle that identifies a listener as long as it exists. */
  listenerHandle(slot: number): ListenerHandle {
    return { slot, inode: this.#model.sockets.inode(slot) };
  }

  /** Whether the listener of a handle still exists. */
  isThere({ slot, inode }: ListenerHandle): boolean {
    const { sockets } = this.#model;
    return sockets.kind(slot) === SocketKind.listener && sockets.inode(slot) === inode;
  }

  /** Number in the protocol column. */
  protocol(slot: number): number {
    return this.#model.sockets.protocol(slot);
  }

  /** Id of the local address; -1 for non-internet families. */
  localAddress(slot: number): number {
    const { sockets } = this.#model;
    return isFamily(sockets.protocol(slot)) ? -1 : sockets.localAddress(slot);
  }

  /** What a listener is bound to, as text: an address, a path, or a netlink or packet socket's number. */
  boundTo(slot: number): string {
    const { sockets, addresses } = this.#model;
    const protocol = sockets.protocol(slot);
    if (!isFamily(protocol)) return addresses.text(sockets.localAddress(slot));
    return protocol === Family.unix ? this.path(slot) : String(sockets.localAddress(slot));
  }

  localPort(slot: number): number {
    return this.#model.sockets.localPort(slot);
  }

  /** Path or abstract name of a unix socket; empty if it has none. */
  path(slot: number): string {
    return this.#model.sockets.paths.get(slot) ?? "";
  }

  inode(slot: number): number {
    return this.#model.sockets.inode(slot);
  }

  /** The user who owns the socket. */
  uid(slot: number): number {
    return this.#model.sockets.uid[slot]!;
  }

  recvQueue(slot: number): number {
    return this.#model.sockets.recvQueue[slot]!;
  }

  sendQueue(slot: number): number {
    return this.#model.sockets.sendQueue[slot]!;
  }

  /** Unanswered retransmissions. */
  retransmits(slot: number): number {
    return this.#model.sockets.retransmits[slot]!;
  }

  /** The kernel's reference count; 0 if the agent's reader cannot see it. */
  references(slot: number): number {
    return this.#model.sockets.references[slot]!;
  }

  stateWord(slot: number): string {
    return stateWord(this.#model.sockets.state(slot));
  }

  /** When it was first seen, in milliseconds since 1970 by the stream's clock. */
  sinceMs(slot: number): number {
    return this.#model.sockets.sinceMs[slot]!;
  }

  /** Inode of the socket's network namespace. */
  namespaceInode(slot: number): number {
    const { sockets, namespaces } = this.#model;
    return namespaces.row(sockets.namespace(slot)).inode;
  }

  /** The timer that runs at a time of the stream's clock; null if none runs. */
  timer(slot: number, nowMs: number): RunningTimer | null {
    const { sockets } = this.#model;
    const kind = timerWord(sockets.timer[slot]!);
    if (kind === "") return null;
    const node = this.#model.nodeOfSocket(slot);
    const endsMs = node.observedMs + (sockets.timerDeadline[slot]! - node.ticks) * TICK_MS;
    return { kind, expiresMs: Math.max(0, Math.round(endsMs - nowMs)) };
  }

  /** The primary process of the socket; null if unknown. */
  process(slot: number): HoldingProcess | null {
    const process = primaryProcess(this.#model, slot);
    return process < 0 ? null : this.#model.processes.row(process);
  }

  /** All processes that hold the socket, with their descriptors. */
  *holders(slot: number): Generator<{ readonly process: HoldingProcess; readonly fd: number }> {
    const { sockets, holders, processes } = this.#model;
    for (let link = sockets.holders(slot); link !== 0; link = holders.next(link - 1))
      yield { process: processes.row(holders.process[link - 1]!), fd: holders.fd[link - 1]! };
  }
}
