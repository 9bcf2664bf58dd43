// Joins through a Service's address where no flow tells: the client's socket says (C:p → VIP:vp), the server's
// (B:bp ← C:p). They are one conversation where the Service that has VIP:vp has B:bp among its endpoints. One-sided ends
// are kept here by the client's address and port, so that the sides may arrive in any order, and the Service later.

import { Protocol, protocolWord } from "../../../lib/words.ts";
import type { ServiceFront } from "../identify/identity.ts";
import { ChainIndex } from "../store/chain-index.ts";
import { mixHash } from "../store/hash.ts";
import { SocketFlag } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { LAG_MS } from "./mates.ts";

/** Answers about service fronts kept between two changes of what is known; then they are asked again. */
const FRONTS_KEPT_MAX = 2 ** 16;

/** One-sided ends that may belong to a conversation through a Service. */
export class ServiceEnds {
  readonly #tables: Tables;
  readonly #index = new ChainIndex();
  // By number for IPv4, which costs no text; protocols without ports have no services.
  readonly #fronts = new Map<number | string, ServiceFront | null>();
  #frontsVersion = -1;

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /**
   * Notes a one-sided end, as client or as server, and looks for its other end: the slot of the one that fits, or -1
   * where none does, or more than one fits either of the two. A client is kept only where what it dialled is a Service.
   */
  match(slot: number, asServer: boolean): number {
    const { sockets } = this.#tables;
    const flag = asServer ? SocketFlag.loneServer : SocketFlag.serviceClient;
    const front = asServer ? null : this.#front(slot);
    if (!asServer && front === null) {
      this.remove(slot);
      return -1;
    }
    if (!sockets.has(slot, flag)) {
      this.remove(slot);
      sockets.set(slot, flag);
      this.#index.add(slot, this.#hashOf(slot));
    }
    const other = this.#only(slot, asServer);
    return other >= 0 && this.#only(other, !asServer) === slot ? other : -1;
  }

  /** Forgets an end. */
  remove(slot: number): void {
    const { sockets } = this.#tables;
    if (!sockets.has(slot, SocketFlag.loneServer | SocketFlag.serviceClient)) return;
    this.#index.remove(slot);
    sockets.clear(slot, SocketFlag.loneServer);
    sockets.clear(slot, SocketFlag.serviceClient);
  }

  #only(slot: number, asServer: boolean): number {
    const { sockets } = this.#tables;
    const flag = asServer ? SocketFlag.serviceClient : SocketFlag.loneServer;
    let found = -1;
    for (let other = this.#index.first(this.#hashOf(slot)); other >= 0; other = this.#index.after(other)) {
      if (!sockets.has(other, flag)) continue;
      const client = asServer ? other : slot;
      const server = asServer ? slot : other;
      if (!this.#fits(client, server)) continue;
      if (found >= 0) return -1;
      found = other;
    }
    return found;
  }

  #fits(client: number, server: number): boolean {
    const { sockets, addresses } = this.#tables;
    if (
      sockets.protocol(client) !== sockets.protocol(server) ||
      sockets.localAddress(client) !== sockets.remoteAddress(server) ||
      sockets.localPort(client) !== sockets.remotePort(server)
    ) {
      return false;
    }
    const bothLive = sockets.isLive(client) && sockets.isLive(server);
    if (!bothLive && Math.abs(sockets.sinceMs[client]! - sockets.sinceMs[server]!) > LAG_MS) return false;
    const front = this.#front(client);
    return (
      front !== null &&
      front.hasBackend(addresses.text(sockets.localAddress(server)), sockets.localPort(server))
    );
  }

  #front(client: number): ServiceFront | null {
    const { sockets, addresses, identity, connections } = this.#tables;
    if (this.#frontsVersion !== identity.version || this.#fronts.size >= FRONTS_KEPT_MAX) {
      this.#fronts.clear();
      this.#frontsVersion = identity.version;
    }
    const address = sockets.remoteAddress(client);
    const port = sockets.remotePort(client);
    const protocol = sockets.protocol(client);
    const key = addresses.isIpv4(address)
      ? (addresses.words[address * 4 + 3]! * 2 ** 16 + port) * 2 + (protocol === Protocol.tcp ? 1 : 0)
      : `${addresses.text(address)} ${port} ${protocol}`;
    let front = this.#fronts.get(key);
    if (front === undefined) {
      const timeMs = connections.firstSeenMs[sockets.connection(client)]!;
      front = identity.serviceFront(addresses.text(address), port, protocolWord(protocol), timeMs) ?? null;
      this.#fronts.set(key, front);
    }
    return front;
  }

  #hashOf(slot: number): number {
    const { sockets } = this.#tables;
    const protocol = sockets.protocol(slot);
    if (sockets.has(slot, SocketFlag.loneServer)) {
      return hashClient(protocol, sockets.remoteAddress(slot), sockets.remotePort(slot));
    }
    return hashClient(protocol, sockets.localAddress(slot), sockets.localPort(slot));
  }
}

/** Whether what the client dialled is another address or port than the server's own. */
export function isThroughService({ sockets }: Tables, client: number, server: number): boolean {
  return (
    sockets.remoteAddress(client) !== sockets.localAddress(server) ||
    sockets.remotePort(client) !== sockets.localPort(server)
  );
}

function hashClient(protocol: number, address: number, port: number): number {
  return mixHash(mixHash(protocol, address), port);
}
