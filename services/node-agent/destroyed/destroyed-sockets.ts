// Hears of every socket that is destroyed on the node, by the kernel's sock_diag multicast groups: one socket
// in the node's own network namespace hears all that have a number (nsid) there, which container network
// plugins see to; where one has none, a socket is opened in it for as long as a process lives in it. An open
// socket keeps its namespace alive, and a deleted pod's interfaces with it: the last process's end closes it.
// No number is ever assigned by us.

import { ticksOf } from "../../../lib/ticks.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { NETLINK_ROUTE, NETLINK_SOCK_DIAG } from "../kernel/constants.ts";
import { EventPump } from "../kernel/netlink/event-pump.ts";
import type { TakeEvent } from "../kernel/netlink/event-socket.ts";
import { OWN_NAMESPACE } from "../kernel/netlink/event-socket.ts";
import { inNetworkNamespace } from "../kernel/network-namespace.ts";
import { ReadableDescriptors } from "../kernel/readable.ts";
import { SyscallError } from "../kernel/syscalls.ts";
import type { DestroyedReader, NamespaceOwner, NamespaceRecord, ProcessScan } from "../observation.ts";
import { withAnyPid } from "../processes/any-pid.ts";
import { inodeOfLink } from "../processes/namespace-link.ts";
import { DESTROYED_EVENTS_MAX } from "../gen/destroyed-columns.ts";
import type { EventTarget } from "./destroy-event.ts";
import { appendDestroyed, EventKind } from "./destroy-event.ts";
import { DestroyedTable, UNPLACED } from "./destroyed-table.ts";
import type { NamespaceArrivals } from "./namespace-arrivals.ts";
import { sentence } from "./listening-obstacles.ts";
import { announcedNumber, NamespaceNumbers } from "./namespace-numbers.ts";

/** SKNLGRP_INET_TCP_DESTROY, INET6_TCP, INET_UDP, INET6_UDP (include/uapi/linux/sock_diag.h). */
const TCP_GROUPS = [1, 3];
const UDP_GROUPS = [2, 4];
/** RTNLGRP_NSID. */
const NUMBER_GROUPS = [28];
const RTM_DELNSID = 89;

/**
 * Bytes of the receive buffer from the start, since nothing repairs a loss: about 1 KiB an event, so 64 MiB
 * hold the 1.6 seconds that a pass may take at 20,000 connections a second. The kernel uses what waits only.
 */
const BUFFER_BYTES = 64 * 2 ** 20;

/** An event has 380 bytes. */
const SLOT_BYTES = 1024;
/** Datagrams per call of a namespace's own socket: few, as there may be many such sockets. */
const OWN_BATCH = 16;
/** Bytes of the buffer for namespaces that get or lose their number. */
const NUMBERS_BUFFER_BYTES = 2 ** 20;
/** Namespaces that have a socket of ours at most: 1,024 of 20 KiB each. */
const OWN_SOCKETS_MAX = 1024;
/**
 * How often it is looked whether the processes of a namespace with a socket of ours still live: 10 µs for each, 0.02 % of
 * a core for 110.
 */
const PIN_CHECK_MS = 5000;
/** Ticks of 10 ms for which an event waits for its namespace to become known. */
const UNPLACED_TICKS_MAX = 1000;

const OWN_HOME = "/proc/self/ns/net";

/** How a reader is set up. */
export interface DestroyedSocketsOptions {
  /** "/proc" or "/host/proc": the live kernel's. */
  readonly procRoot: string;
  /** Milliseconds of a clock that never goes back, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
  /** Whether TCP sockets are heard of by another way, so that only the others are announced here. */
  readonly withoutTcp?: boolean;
  /** Bytes of the receive buffer; BUFFER_BYTES unless told. */
  readonly bufferBytes?: number;
  /** Told of namespaces as they come; null where nobody looks out for them. */
  readonly arrivals?: NamespaceArrivals | null;
}

interface OwnSocket {
  readonly pump: EventPump;
  pids: readonly number[];
}

/** Hears of destroyed sockets. Opened at once, so that nothing is missed between this and the first pass. */
export class DestroyedSockets implements DestroyedReader {
  /** Messages that made no sense, since start. */
  malformed = 0;
  /** Events that found no place in the table, since start. */
  overflowed = 0;
  /**
   * Events of namespaces in which no process of this node ever was: another machine's on one kernel, as in
   * kind.
   */
  ofStrangers = 0;
  /** Called once when half of the events that may wait do. */
  onCrowd: (() => void) | null = null;
  readonly #options: DestroyedSocketsOptions;
  // The node's own namespace; this process's own where pid 1 is not to be looked at.
  #home = OWN_HOME;
  #homeInode = 0;
  #main: EventPump | null = null;
  #hearsAll = false;
  #obstacle: string | null = null;
  #entryObstacle: string | null = null;
  #numbers: NamespaceNumbers | null = null;
  #announcements: EventPump | null = null;
  #announced = true;
  readonly #placeOfNumber = new Map<number, number>();
  readonly #numberOfPlace = new Map<number, number>();
  readonly #own = new Map<number, OwnSocket>();
  // The sockets of #own, in its order; null where they are no longer the same.
  #ownReadable: ReadableDescriptors | null = null;
  readonly #unheard = new Set<number>();
  #ownOverruns = 0;
  #table = new DestroyedTable();
  #spare = new DestroyedTable();
  #crowded = false;
  readonly #target: EventTarget;
  #pinCheck: NodeJS.Timeout | null = null;
  readonly #groups: readonly number[];

  constructor(options: DestroyedSocketsOptions) {
    this.#options = options;
    this.#groups = options.withoutTcp === true ? UDP_GROUPS : [...TCP_GROUPS, ...UDP_GROUPS];
    this.#target = { table: this.#table, littleEndian: hostIsLittleEndian, ticks: 0, place: 0, nsid: 0 };
    this.#open();
  }

  /**
   * How destroyed sockets are heard of: events where the one socket hears every namespace; null where none
   * are.
   */
  get hearing(): "all" | "some" | "none" {
    if (this.#hearsAll) return "all";
    return this.#main !== null || this.#own.size > 0 ? "some" : "none";
  }

  /** Times that the kernel had to drop events, since start. */
  get overruns(): number {
    let overruns = (this.#main?.overruns ?? 0) + this.#ownOverruns;
    for (const { pump } of this.#own.values()) overruns += pump.overruns;
    return overruns;
  }

  /** Events of a namespace that wait to be taken. */
  waitingIn(inode: number): number {
    let waiting = 0;
    for (let row = 0; row < this.#table.length; row++) if (this.#table.place[row] === inode) waiting++;
    return waiting;
  }

  /** Whether the destroyed sockets of a namespace are heard of. */
  hears(inode: number): boolean {
    if (inode !== 0 && inode === this.#homeInode) return this.#main !== null;
    return (this.#hearsAll && this.#numberOfPlace.has(inode)) || this.#own.has(inode);
  }

  /** Whether a namespace was there when listening began. */
  wasThereAtStart(inode: number): boolean {
    return this.#options.arrivals?.wasThereAtStart(inode) ?? false;
  }

  /** Brings numbers and sockets up to date with the namespaces that there are. */
  refresh(scan: ProcessScan): void {
    if (this.#main === null) return;
    this.#announcements?.drain();
    const anew = this.#announced;
    this.#announced = false;
    const living = new Set<number>();
    for (const record of scan.namespaces) {
      living.add(record.inode);
      if (record.inode === 0 || record.inode === this.#homeInode) continue;
      if (this.#hearsAll && this.#numberOfPlace.has(record.inode)) continue;
      const own = this.#own.get(record.inode);
      if (own !== undefined) own.pids = record.pids;
      if (!anew && (own !== undefined || this.#unheard.has(record.inode))) continue;
      this.#admit(record);
    }
    for (const inode of this.#own.keys()) if (!living.has(inode)) this.#leave(inode);
    for (const inode of this.#unheard) if (!living.has(inode)) this.#unheard.delete(inode);
  }

  /** What was destroyed since the last call, oldest first; valid until the next one. */
  take(): DestroyedTable {
    this.drain();
    const taken = this.#table;
    this.#spare.clear();
    this.#table = this.#spare;
    this.#spare = taken;
    this.#target.table = this.#table;
    this.#crowded = false;
    const now = this.#tick();
    // What cannot be placed yet stays for the next time.
    for (let row = 0; row < taken.length; row++) {
      if (taken.place[row] !== UNPLACED) continue;
      taken.place[row] = this.#placeOfNumber.get(taken.nsid[row]!) ?? UNPLACED;
      if (taken.place[row] !== UNPLACED) continue;
      const waits = now - taken.sockets.firstSeen[row]! < UNPLACED_TICKS_MAX;
      if (!waits) this.ofStrangers++;
      else if (this.#table.appendRow(taken, row) < 0) this.overflowed++;
    }
    return taken;
  }

  /** Takes what waits off the sockets. */
  drain(): void {
    this.#main?.drain();
    this.#ownReadable ??= new ReadableDescriptors([...this.#own.values()].map(({ pump }) => pump.descriptor));
    const places = this.#ownReadable.places();
    if (places.length > 0) {
      const pumps = [...this.#own.values()];
      for (const place of places) pumps[place]!.pump.drain();
    }
    this.#announcements?.drain();
  }

  /** Owners of namespaces that came, and perhaps went, since the last call, by inode. */
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
            `short connections may be missed in ${unheard} network namespaces: ${this.#entryObstacle ?? "they cannot be listened in"}`,
          ]),
      ...(overruns === 0
        ? []
        : [
            `destroyed sockets came faster than they could be taken, ${overruns} times: short connections may be missing`,
          ]),
    ];
  }

  close(): void {
    if (this.#pinCheck !== null) clearInterval(this.#pinCheck);
    this.#options.arrivals?.close();
    this.#announcements?.close();
    this.#main?.close();
    for (const { pump } of this.#own.values()) pump.close();
    this.#own.clear();
    this.#ownReadable = null;
    this.#numbers?.close();
    this.#main = null;
    this.#announcements = null;
    this.#numbers = null;
  }

  /**
   * Learns the number of a namespace that a file under /run/netns stands for, before any process is seen in
   * it.
   */
  learn(path: string): number {
    const told = this.#numbers?.ask(path) ?? null;
    if (told === null) return 0;
    if (told.nsid !== null) this.#place(told.nsid, told.inode);
    return told.inode;
  }

  #open(): void {
    const home = `${this.#options.procRoot}/1/ns/net`;
    if (inodeOfLink(home) !== 0) this.#home = home;
    this.#homeInode = inodeOfLink(this.#home);
    try {
      this.#main = this.#openHome(true);
      this.#hearsAll = true;
    } catch (error) {
      this.#obstacle = `short connections of other network namespaces may be missed: ${sentence(error)}`;
      try {
        this.#main = this.#openHome(false);
      } catch (second) {
        this.#obstacle = `destroyed sockets cannot be heard of: ${sentence(second)}`;
        return;
      }
    }
    inNetworkNamespace(this.#home, () => {
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
        (view, start, end) => this.#hearNumber(view, start, end),
      );
    });
    this.#options.arrivals?.start(this);
  }

  #buffer(): { bufferMinBytes: number; bufferMaxBytes: number } {
    const { bufferBytes = BUFFER_BYTES } = this.#options;
    return { bufferMinBytes: bufferBytes, bufferMaxBytes: bufferBytes };
  }

  #openHome(allNamespaces: boolean): EventPump {
    return inNetworkNamespace(
      this.#home,
      () =>
        new EventPump(
          {
            protocol: NETLINK_SOCK_DIAG,
            groups: this.#groups,
            slotBytes: SLOT_BYTES,
            allNamespaces,
            ...this.#buffer(),
          },
          (view, start, end, nsid) =>
            this.#take(
              view,
              start,
              end,
              nsid,
              nsid === OWN_NAMESPACE ? this.#homeInode : (this.#placeOfNumber.get(nsid) ?? UNPLACED),
            ),
        ),
    );
  }

  #take(view: DataView, start: number, end: number, nsid: number, place: number): void {
    this.#target.ticks = this.#tick();
    this.#target.place = place;
    this.#target.nsid = nsid;
    const kind = appendDestroyed(view, start, end, this.#target);
    if (kind === EventKind.malformed) this.malformed++;
    else if (kind === EventKind.overflowed) this.overflowed++;
    if (this.#crowded || this.#table.length < DESTROYED_EVENTS_MAX / 2) return;
    this.#crowded = true;
    this.onCrowd?.();
  }

  #hearNumber(view: DataView, start: number, end: number): void {
    // What came before under the number belongs to whom it stood for then.
    this.#main?.drain();
    const nsid = announcedNumber(view, start, end);
    if (view.getUint16(start - 12, hostIsLittleEndian) === RTM_DELNSID) {
      const place = this.#placeOfNumber.get(nsid);
      this.#placeOfNumber.delete(nsid);
      if (place !== undefined && this.#numberOfPlace.get(place) === nsid) this.#numberOfPlace.delete(place);
      return;
    }
    this.#announced = true;
    this.#options.arrivals?.wake();
  }

  #place(nsid: number, inode: number): void {
    const before = this.#placeOfNumber.get(nsid);
    if (before === inode) return;
    if (before !== undefined) this.#numberOfPlace.delete(before);
    this.#placeOfNumber.set(nsid, inode);
    this.#numberOfPlace.set(inode, nsid);
    // The one socket hears it now.
    if (this.#hearsAll) this.#leave(inode);
    this.#unheard.delete(inode);
  }

  #admit({ inode, pids }: NamespaceRecord): void {
    const heard = withAnyPid(pids, (pid) => {
      const path = `${this.#options.procRoot}/${pid}/ns/net`;
      const numbered = this.#numbers!.ask(path);
      if (numbered === null || numbered.inode !== inode) return undefined;
      if (numbered.nsid !== null) this.#place(numbered.nsid, inode);
      if (numbered.nsid !== null && this.#hearsAll) return true;
      return this.#own.has(inode) || this.#enter(path, inode, pids) ? true : undefined;
    });
    if (heard === undefined) this.#unheard.add(inode);
  }

  #enter(path: string, inode: number, pids: readonly number[]): boolean {
    if (this.#own.size >= OWN_SOCKETS_MAX) {
      this.#entryObstacle = `no more than ${OWN_SOCKETS_MAX} are listened in one by one`;
      return false;
    }
    const take: TakeEvent = (view, start, end) => this.#take(view, start, end, OWN_NAMESPACE, inode);
    try {
      const pump = inNetworkNamespace(
        path,
        () =>
          new EventPump(
            {
              protocol: NETLINK_SOCK_DIAG,
              groups: this.#groups,
              slotBytes: SLOT_BYTES,
              batch: OWN_BATCH,
              ...this.#buffer(),
            },
            take,
          ),
      );
      this.#own.set(inode, { pump, pids });
      this.#ownReadable = null;
      this.#unheard.delete(inode);
      this.#pinCheck ??= setInterval(() => this.#leaveTheDead(), PIN_CHECK_MS).unref();
      return true;
    } catch (error) {
      const denied = error instanceof SyscallError && error.syscall === "setns";
      this.#entryObstacle = denied
        ? "they have no number in the node's own and cannot be entered: that needs SYS_ADMIN"
        : `they cannot be listened in: ${sentence(error)}`;
      return false;
    }
  }

  #leave(inode: number): void {
    const own = this.#own.get(inode);
    if (own === undefined) return;
    own.pump.drain();
    this.#ownOverruns += own.pump.overruns;
    own.pump.close();
    this.#own.delete(inode);
    this.#ownReadable = null;
  }

  #leaveTheDead(): void {
    const isThere = (pid: number, inode: number): boolean =>
      inodeOfLink(`${this.#options.procRoot}/${pid}/ns/net`) === inode;
    for (const [inode, own] of this.#own) {
      const alive = own.pids.findIndex((pid) => isThere(pid, inode));
      if (alive < 0) this.#leave(inode);
      else if (alive > 0) own.pids = own.pids.slice(alive);
    }
    if (this.#own.size > 0) return;
    clearInterval(this.#pinCheck!);
    this.#pinCheck = null;
  }

  #tick(): number {
    return ticksOf(this.#options.elapsedMs());
  }
}
