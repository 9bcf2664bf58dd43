// One-sided ends by the client's address and port: clients that dialled a Service's address, and servers whose
// client is unknown. Either may be reported first.

import { ChainIndex } from "../storage/chain-index.ts";
import { mixHash } from "../../../../lib/hash.ts";
import type { SocketRows } from "./socket-rows.ts";
import { SocketFlag } from "./socket-rows.ts";
import type { ServiceRole, SocketTable } from "./socket-table.ts";

/** Index of one-sided ends. */
export class ServiceEnds {
  readonly #sockets: SocketTable;
  readonly #index = new ChainIndex();

  constructor(sockets: SocketTable) {
    this.#sockets = sockets;
  }

  /** Adds an end in a role, or changes its role. */
  put(slot: number, role: ServiceRole): void {
    if (this.#sockets.has(slot, role)) return;
    this.remove(slot);
    this.#sockets.setServiceRole(slot, role);
    this.#index.add(slot, hashOf(this.#sockets, slot, role));
  }

  /** Removes an end, if it is in the index. */
  remove(slot: number): void {
    if (!this.#sockets.has(slot, SocketFlag.loneServer | SocketFlag.serviceClient)) return;
    this.#index.remove(slot);
    this.#sockets.setServiceRole(slot, null);
  }

  /** The first end that may be the peer of this end in its role, or -1. The caller compares. */
  firstFor(slot: number, role: ServiceRole): number {
    return this.#index.first(hashOf(this.#sockets, slot, role));
  }

  after(slot: number): number {
    return this.#index.after(slot);
  }
}

// The client's address and port: a client's local ones, a server's remote ones.
function hashOf(sockets: SocketRows, slot: number, role: ServiceRole): number {
  const protocol = sockets.protocol(slot);
  return role === SocketFlag.loneServer
    ? mixHash(mixHash(protocol, sockets.remoteAddress(slot)), sockets.remotePort(slot))
    : mixHash(mixHash(protocol, sockets.localAddress(slot)), sockets.localPort(slot));
}
