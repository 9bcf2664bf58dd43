// Listens for every socket that is destroyed on the node, through the kernel's sock_diag multicast groups. One
// socket in the node's own network namespace receives the events of all namespaces that have a number (nsid)
// there, which container network plugins assign; namespaces without one get a socket of their own
// (namespace-sockets.ts). The agent never assigns a number.

import { ticksOf } from "../../../lib/ticks.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { NETLINK_ROUTE, NETLINK_SOCK_DIAG } from "../kernel/constants.ts";
import { EventPump } from "../kernel/netlink/event-pump.ts";
import { OWN_NAMESPACE } from "../kernel/netlink/event-socket.ts";
import { inNetworkNamespace } from "../kernel/network-namespace.ts";
import type { DestroyedReader, NamespaceOwner, ProcessScan } from "../observation.ts";
import { withAnyPid } from "../processes/any-pid.ts";
import { inodeOfLink } from "../processes/namespace-link.ts";
import { DestroyedEvents } from "./destroyed-events.ts";
import type { DestroyedTable } from "./destroyed-table.ts";
import { UNPLACED } from "./destroyed-table.ts";
import { sentence } from "./listening-obstacles.ts";
import type { NamespaceArrivals } from "./namespace-arrivals.ts";
import { announcedNumber, NamespaceNumbers } from "./namespace-numbers.ts";
import type { ListeningOptions } from "./namespace-sockets.ts";
import { NamespaceSockets, OWN_BATCH } from "./namespace-sockets.ts";
import { NumberedPlaces } from "./numbered-places.ts";

/** SKNLGRP_INET_TCP_DESTROY, INET6_TCP, INET_UDP, INET6_UDP (include/uapi/linux/sock_diag.h). */
const TCP_GROUPS = [1, 3];
const UDP_GROUPS = [2, 4];
/** RTNLGRP_NSID. */
const NUMBER_GROUPS = [28];
const RTM_DELNSID = 89;

/**
 * Bytes of the receive buffer from the start, since nothing repairs a loss: about 1 KiB an event, so 64 MiB
 * hold the 1.6 seconds that a pass may take at 20,000 connections a second. The kernel allocates only what
 * waiting events need.
 */
const BUFFER_BYTES = 64 * 2 ** 20;

/** An event has 380 bytes. */
const SLOT_BYTES = 1024;
/** Bytes of the buffer for namespaces that get or lose their number. */
const NUMBERS_BUFFER_BYTES = 2 ** 20;

const OWN_HOME = "/proc/self/ns/net";

/** Options of the reader. */
export interface DestroyedSocketsOptions {
  /** "/proc" or "/host/proc": the live kernel's. */
  readonly procRoot: string;
  /** Milliseconds of a monotonic clock, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
  /** Whether TCP sockets are reported by another reader, so that only the others are reported here. */
  readonly withoutTcp?: boolean;
  /** Bytes of the receive buffer; by default BUFFER_BYTES. */
  readonly bufferBytes?: number;
  /** Reports namespaces as they appear; null if nothing watches for them. */
  readonly arrivals?: NamespaceArrivals | null;
}

/** Listens for destroyed sockets from construction on, so that nothing before the first pass is missed. */
export class DestroyedSockets implements DestroyedReader {
  readonly #options: DestroyedSocketsOptions;
  readonly #listening: ListeningOptions;
  readonly #events = new DestroyedEvents();
  readonly #numbered = new NumberedPlaces();
  readonly #own: NamespaceSockets;
  // Namespaces whose destroyed sockets are not reported.
  readonly #unheard = new Set<number>();
  // The node's own namespace, or this process's if pid 1's must not be looked at.
  readonly #home: { readonly path: string; readonly inode: number };
  #main: EventPump | null = null;
  // Why #main does not receive the events of every namespace that has a number; null if it does.
  #obstacle: string | null = null;
  // Both null unless #main is open: queries numbers, and receives their announcements.
  #numbers: NamespaceNumbers | null = null;
  #announcements: EventPump | null = null;
  // Whether a namespace got a number since the last refresh.
  #announced = true;

  constructor(options: DestroyedSocketsOptions) {
    const { procRoot, withoutTcp = false, bufferBytes = BUFFER_BYTES } = options;
    this.#options = options;
    this.#listening = {
      groups: withoutTcp ? UDP_GROUPS : [...TCP_GROUPS, ...UDP_GROUPS],
      slotBytes: SLOT_BYTES,
      bufferMinBytes: bufferBytes,
      bufferMaxBytes: bufferBytes,
    };
    this.#own = new NamespaceSockets(procRoot, this.#listening);
    this.#home = homeOf(procRoot);
    this.#open();
  }

  get malformed(): number {
    return this.#events.malformed;
  }

  get overflowed(): number {
    return this.#events.overflowed;
  }

  /**
   * Events of namespaces in which no process of this node ever was: another machine's on the same kernel, as
   * in kind.
   */
  get ofStrangers(): number {
    return this.#events.ofStrangers;
  }

  set onCrowd(callback: (() => void) | null) {
    this.#events.onCrowd = callback;
  }

  get onCrowd(): (() => void) | null {
    return this.#events.onCrowd;
  }

  get hearing(): "all" | "some" | "none" {
    if (this.#hearsAll) return "all";
    return this.#main !== null || this.#own.size > 0 ? "some" : "none";
  }

  get overruns(): number {
    return (this.#main?.overruns ?? 0) + this.#own.overruns;
  }

  /** Events of a namespace that have not been taken yet. */
  waitingIn(inode: number): number {
    return this.#events.countOf(inode);
  }

  hears(inode: number): boolean {
    if (inode !== 0 && inode === this.#home.inode) return this.#main !== null;
    return (this.#hearsAll && this.#numbered.has(inode)) || this.#own.has(inode);
  }

  wasThereAtStart(inode: number): boolean {
    return this.#options.arrivals?.wasThereAtStart(inode) ?? false;
  }

  refresh(scan: ProcessScan): void {
    if (this.#main === null) return;
    this.#announcements?.drain();
    const isChanged = this.#announced;
    this.#announced = false;
    const living = new Set<number>();
    for (const { inode, pids } of scan.namespaces) {
      living.add(inode);
      if (inode === 0 || inode === this.#home.inode) continue;
      if (this.#hearsAll && this.#numbered.has(inode)) continue;
      this.#own.update(inode, pids);
      if (isChanged || !(this.#own.has(inode) || this.#unheard.has(inode))) this.#admit(inode, pids);
    }
    for (const inode of this.#own.inodes()) if (!living.has(inode)) this.#own.leave(inode);
    for (const inode of this.#unheard) if (!living.has(inode)) this.#unheard.delete(inode);
  }

  take(): DestroyedTable {
    this.drain();
    return this.#events.take(this.#tick(), (nsid) => this.#numbered.inodeOf(nsid));
  }

  /** Takes the waiting events off the sockets. */
  drain(): void {
    this.#main?.drain();
    this.#own.drain();
    this.#announcements?.drain();
  }

  takeArrivals(): ReadonlyMap<number, NamespaceOwner> {
    return this.#options.arrivals?.takeOwners() ?? new Map();
  }

  limits(): readonly string[] {
    const { overruns } = this;
    const unheard = this.#unheard.size;
    return [
      ...(this.#obstacle === null ? [] : [this.#obstacle]),
      ...(unheard === 0
        ? []
        : [
            `short connections may be missed in ${unheard} network namespaces: ${this.#own.obstacle ?? "listening in them failed"}`,
          ]),
      ...(overruns === 0
        ? []
        : [
            `the kernel dropped events of destroyed sockets ${overruns} times, as the buffer was full: short connections may be missing`,
          ]),
    ];
  }

  close(): void {
    this.#options.arrivals?.close();
    this.#announcements?.close();
    this.#main?.close();
    this.#own.close();
    this.#numbers?.close();
    this.#main = null;
    this.#announcements = null;
    this.#numbers = null;
  }

  /**
   * Reads the number of the namespace behind a file in /run/netns, before any process is seen in it. Returns
   * its inode, or 0 if the file cannot be read.
   */
  learn(path: string): number {
    const answer = this.#numbers?.ask(path) ?? null;
    if (answer === null) return 0;
    if (answer.nsid !== null) this.#assign(answer.nsid, answer.inode);
    return answer.inode;
  }

  get #hearsAll(): boolean {
    return this.#obstacle === null;
  }

  #open(): void {
    try {
      this.#main = this.#openHome(true);
    } catch (error) {
      this.#obstacle = `short connections of other network namespaces may be missed: ${sentence(error)}`;
      try {
        this.#main = this.#openHome(false);
      } catch (second) {
        this.#obstacle = `events of destroyed sockets cannot be received: ${sentence(second)}`;
        return;
      }
    }
    inNetworkNamespace(this.#home.path, () => {
      this.#numbers = new NamespaceNumbers();
      this.#announcements = new EventPump(
        {
          protocol: NETLINK_ROUTE,
          groups: NUMBER_GROUPS,
          slotBytes: SLOT_BYTES,
          batch: OWN_BATCH,
          bufferMinBytes: NUMBERS_BUFFER_BYTES,
          bufferMaxBytes: NUMBERS_BUFFER_BYTES,
        },
        (view, start, end) => this.#takeAnnouncement(view, start, end),
      );
    });
    this.#options.arrivals?.start(this);
  }

  #openHome(allNamespaces: boolean): EventPump {
    const options = { protocol: NETLINK_SOCK_DIAG, allNamespaces, ...this.#listening };
    return inNetworkNamespace(
      this.#home.path,
      () =>
        new EventPump(options, (view, start, end, nsid) => {
          const place = nsid === OWN_NAMESPACE ? this.#home.inode : this.#numbered.inodeOf(nsid);
          this.#events.from(this.#tick(), nsid, place ?? UNPLACED).append(view, start, end);
        }),
    );
  }

  #takeAnnouncement(view: DataView, start: number, end: number): void {
    // Earlier events with this number belong to the namespace that had it then.
    this.#main?.drain();
    const nsid = announcedNumber(view, start, end);
    if (view.getUint16(start - 12, hostIsLittleEndian) === RTM_DELNSID) {
      this.#numbered.release(nsid);
      return;
    }
    this.#announced = true;
    this.#options.arrivals?.wake();
  }

  #assign(nsid: number, inode: number): void {
    if (!this.#numbered.assign(nsid, inode)) return;
    // From now on the main socket receives its events.
    if (this.#hearsAll) this.#own.leave(inode);
    this.#unheard.delete(inode);
  }

  #admit(inode: number, pids: readonly number[]): void {
    const heard = withAnyPid(pids, (pid) => {
      const path = `${this.#options.procRoot}/${pid}/ns/net`;
      const numbered = this.#numbers!.ask(path);
      if (numbered === null || numbered.inode !== inode) return undefined;
      if (numbered.nsid !== null) this.#assign(numbered.nsid, inode);
      if (numbered.nsid !== null && this.#hearsAll) return true;
      return this.#own.has(inode) || this.#enter(path, inode, pids) ? true : undefined;
    });
    if (heard === undefined) this.#unheard.add(inode);
  }

  #enter(path: string, inode: number, pids: readonly number[]): boolean {
    const isOpen = this.#own.open(path, inode, pids, (view, start, end) =>
      this.#events.from(this.#tick(), OWN_NAMESPACE, inode).append(view, start, end),
    );
    if (isOpen) this.#unheard.delete(inode);
    return isOpen;
  }

  #tick(): number {
    return ticksOf(this.#options.elapsedMs());
  }
}

function homeOf(procRoot: string): { path: string; inode: number } {
  const path = `${procRoot}/1/ns/net`;
  const inode = inodeOfLink(path);
  return inode === 0 ? { path: OWN_HOME, inode: inodeOfLink(OWN_HOME) } : { path, inode };
}
