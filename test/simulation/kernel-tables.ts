// The socket and conntrack tables of a cluster's kernels, as far as they determine which ports are free: no
// two live sockets of a namespace have one tuple; a client's TIME_WAIT entry keeps its port for a minute,
// while a server's is replaced by a new connection (net/ipv4/tcp_minisocks.c); and no two entries of a
// conntrack table have one tuple.

import type { Node, Place } from "./cluster.ts";
import type { Flow, Socket, Spot } from "./conversation.ts";
import { isPair, isSpot, shareNamespace } from "./conversation.ts";

/** The fields of a socket to be created. */
export type NewSocket = Omit<Socket, "inode" | "cookie" | "wasAsked">;

/** The inode of the first socket. */
const FIRST_INODE = 5000;

/** The tables, filled in chronological order. */
export class KernelTables {
  readonly sockets: Socket[] = [];
  readonly flows: Flow[] = [];

  /** Adds a socket; ends a server's TIME_WAIT entry with its tuple. */
  addSocket(made: NewSocket): Socket {
    const number = this.sockets.length + 1;
    const socket: Socket = { inode: FIRST_INODE + number, cookie: number, wasAsked: false, ...made };
    for (const before of this.sockets) {
      const { entry } = before;
      if (entry === null || entry.untilMs <= socket.bornMs || before.destroyedMs > socket.bornMs) continue;
      if (hasTuple(before, socket)) entry.untilMs = socket.bornMs;
    }
    this.sockets.push(socket);
    return socket;
  }

  /** Whether something listens on a port of a namespace. */
  listens(place: Place, protocol: string, local: Spot): boolean {
    return this.sockets.some(
      (socket) =>
        socket.kind === "listener" &&
        socket.protocol === protocol &&
        shareNamespace(socket.place, place) &&
        isSpot(socket.local, local),
    );
  }

  /** Whether a tuple is unavailable to a client at a time. */
  isClientTaken(place: Place, protocol: string, local: Spot, remote: Spot, atMs: number): boolean {
    return this.sockets.some((socket) => {
      if (Math.max(socket.destroyedMs, socket.entry?.untilMs ?? 0) < atMs) return false;
      if (socket.protocol !== protocol || !shareNamespace(socket.place, place)) return false;
      if (socket.kind === "listener") return socket.local.port === local.port;
      return isSpot(socket.local, local) && isSpot(socket.remote, remote);
    });
  }

  /** Whether a live socket has the tuple of a new server's socket. */
  isServerTaken(place: Place, protocol: string, local: Spot, remote: Spot, atMs: number): boolean {
    return this.sockets.some(
      (socket) =>
        socket.kind === "end" &&
        socket.destroyedMs >= atMs &&
        hasTuple(socket, { place, protocol, local, remote }),
    );
  }

  /** The entry of a node's table with an original tuple. */
  flowAt(node: Node, protocol: string, original: readonly [Spot, Spot], atMs: number): Flow | undefined {
    return this.flows.find(
      (flow) =>
        flow.node === node &&
        flow.protocol === protocol &&
        flow.bornMs <= atMs &&
        flow.goneMs > atMs &&
        isPair(flow.original, original),
    );
  }

  /** Whether an entry has the reply tuple of a new one: one with the same original tuple is replaced by it. */
  isReplyTaken(
    node: Node,
    protocol: string,
    original: readonly [Spot, Spot],
    reply: readonly [Spot, Spot],
    atMs: number,
  ): boolean {
    return this.flows.some(
      (flow) =>
        flow.node === node &&
        flow.protocol === protocol &&
        flow.goneMs > atMs &&
        isPair(flow.reply, reply) &&
        !isPair(flow.original, original),
    );
  }
}

function hasTuple(
  socket: Socket,
  tuple: { readonly place: Place; readonly protocol: string; readonly local: Spot; readonly remote: Spot },
): boolean {
  return (
    socket.kind === "end" &&
    socket.protocol === tuple.protocol &&
    shareNamespace(socket.place, tuple.place) &&
    isSpot(socket.local, tuple.local) &&
    isSpot(socket.remote, tuple.remote)
  );
}
