// Sockets that listen inside network namespaces without a number. An open socket keeps its namespace alive,
// and a deleted pod's interfaces with it, so each is closed once the last process of its namespace has
// exited.

import { NETLINK_SOCK_DIAG } from "../kernel/constants.ts";
import { EventPump } from "../kernel/netlink/event-pump.ts";
import type { TakeEvent } from "../kernel/netlink/event-socket.ts";
import { inNetworkNamespace } from "../kernel/network-namespace.ts";
import { ReadableDescriptors } from "../kernel/readable.ts";
import { SyscallError } from "../kernel/syscalls.ts";
import { inodeOfLink } from "../processes/namespace-link.ts";
import { sentence } from "./listening-obstacles.ts";

/** Datagrams per call of such a socket: few, as there may be many sockets. */
export const OWN_BATCH = 16;
/** Maximum namespaces with a socket: 1,024 of 20 KiB each. */
const OWN_SOCKETS_MAX = 1024;
/** Interval of checking that the processes of these namespaces exist: 10 µs each, 0.02 % of a core for 110. */
const PIN_CHECK_MS = 5000;

/** Options of such a socket. */
export interface ListeningOptions {
  readonly groups: readonly number[];
  readonly slotBytes: number;
  readonly bufferMinBytes: number;
  readonly bufferMaxBytes: number;
}

interface NamespaceSocket {
  readonly pump: EventPump;
  pids: readonly number[];
}

/** The sockets, by the inode of their namespace. */
export class NamespaceSockets {
  readonly #procRoot: string;
  readonly #options: ListeningOptions;
  readonly #sockets = new Map<number, NamespaceSocket>();
  // The descriptors of #sockets, in its order; null if the sockets changed.
  #readable: ReadableDescriptors | null = null;
  #obstacle: string | null = null;
  // Overruns of sockets that are closed.
  #closedOverruns = 0;
  #pinCheck: NodeJS.Timeout | null = null;

  constructor(procRoot: string, options: ListeningOptions) {
    this.#procRoot = procRoot;
    this.#options = options;
  }

  get size(): number {
    return this.#sockets.size;
  }

  /** How often the kernel dropped events, since start. */
  get overruns(): number {
    let overruns = this.#closedOverruns;
    for (const { pump } of this.#sockets.values()) overruns += pump.overruns;
    return overruns;
  }

  /** Why the latest open() failed; null if none did. */
  get obstacle(): string | null {
    return this.#obstacle;
  }

  has(inode: number): boolean {
    return this.#sockets.has(inode);
  }

  /** Inodes of the namespaces. */
  inodes(): Iterable<number> {
    return this.#sockets.keys();
  }

  /** Updates the processes of a namespace, if it has a socket. */
  update(inode: number, pids: readonly number[]): void {
    const known = this.#sockets.get(inode);
    if (known !== undefined) known.pids = pids;
  }

  /** Opens a socket in the namespace at a path like /proc/<pid>/ns/net; returns whether that worked. */
  open(path: string, inode: number, pids: readonly number[], take: TakeEvent): boolean {
    if (this.#sockets.size >= OWN_SOCKETS_MAX) {
      this.#obstacle = `at most ${OWN_SOCKETS_MAX} network namespaces get their own socket`;
      return false;
    }
    const options = { protocol: NETLINK_SOCK_DIAG, batch: OWN_BATCH, ...this.#options };
    try {
      const pump = inNetworkNamespace(path, () => new EventPump(options, take));
      this.#sockets.set(inode, { pump, pids });
      this.#readable = null;
      this.#pinCheck ??= setInterval(() => this.#closeUnused(), PIN_CHECK_MS).unref();
      return true;
    } catch (error) {
      const denied = error instanceof SyscallError && error.syscall === "setns";
      this.#obstacle = denied
        ? "they have no id in the node's own namespace, and entering them needs SYS_ADMIN"
        : `listening in them failed: ${sentence(error)}`;
      return false;
    }
  }

  /** Takes the waiting events off the sockets. */
  drain(): void {
    this.#readable ??= new ReadableDescriptors(
      [...this.#sockets.values()].map(({ pump }) => pump.descriptor),
    );
    const places = this.#readable.places();
    if (places.length === 0) return;
    const sockets = [...this.#sockets.values()];
    for (const place of places) sockets[place]!.pump.drain();
  }

  /** Drains and closes a namespace's socket, if it has one. */
  leave(inode: number): void {
    const known = this.#sockets.get(inode);
    if (known === undefined) return;
    known.pump.drain();
    this.#closedOverruns += known.pump.overruns;
    known.pump.close();
    this.#sockets.delete(inode);
    this.#readable = null;
  }

  close(): void {
    this.#stopCheck();
    for (const { pump } of this.#sockets.values()) pump.close();
    this.#sockets.clear();
    this.#readable = null;
  }

  #closeUnused(): void {
    const isThere = (pid: number, inode: number): boolean =>
      inodeOfLink(`${this.#procRoot}/${pid}/ns/net`) === inode;
    for (const [inode, known] of this.#sockets) {
      const alive = known.pids.findIndex((pid) => isThere(pid, inode));
      if (alive < 0) this.leave(inode);
      else if (alive > 0) known.pids = known.pids.slice(alive);
    }
    if (this.#sockets.size === 0) this.#stopCheck();
  }

  #stopCheck(): void {
    if (this.#pinCheck !== null) clearInterval(this.#pinCheck);
    this.#pinCheck = null;
  }
}
