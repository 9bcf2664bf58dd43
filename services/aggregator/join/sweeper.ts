// What time does: ended connections are forgotten after a while, silent nodes are given up, and connections are looked
// at again when something became known that they did not wait for (a listener, a Service, an address's owner).

import { ConnectionFlag, DirectionBy } from "../store/connection-store.ts";
import type { Tables } from "../store/tables.ts";
import type { Joiner } from "./joiner.ts";
import type { Settler } from "./settler.ts";

/** Ended connections kept at most, whatever their age. */
export const ENDED_MAX = 2 ** 18;
/** Connections that one sweep looks at again at most; the rest follow in the next ones. */
const RESETTLED_MAX = 2 ** 16;

/** How long things are kept, in milliseconds. */
export interface Keeping {
  /** Ended connections. */
  readonly closedKeepMs: number;
  /** Silence after which a node's connections end. */
  readonly nodeLostMs: number;
}

/** The work that is done now and then. */
export class Sweeper {
  readonly #tables: Tables;
  readonly #joiner: Joiner;
  readonly #settler: Settler;
  readonly #keeping: Keeping;
  #identityVersion = -1;
  #addressesVersion = -1;
  // Where the last sweep stopped for having looked at enough; 0 when it looked at all.
  #resumeAt = 0;

  constructor(tables: Tables, joiner: Joiner, settler: Settler, keeping: Keeping) {
    this.#tables = tables;
    this.#joiner = joiner;
    this.#settler = settler;
    this.#keeping = keeping;
  }

  /** Does all that is due at a time of the stream's clock. */
  sweep(nowMs: number): void {
    this.#loseSilentNodes(nowMs);
    this.review(nowMs);
    this.#forgetEnded(nowMs);
  }

  /** Looks again at the connections for which something new is known. Costs nothing where nothing is. */
  review(nowMs: number): void {
    const { newListenerPorts, staleNodes, identity, localAddresses } = this.#tables;
    const { waiting } = this.#joiner.pairing;
    for (const connection of waiting) this.#tables.markDirty(connection, false);
    const versionsMoved =
      identity.version !== this.#identityVersion || localAddresses.version !== this.#addressesVersion;
    if (versionsMoved || newListenerPorts.size > 0 || staleNodes.size > 0 || this.#resumeAt > 0) {
      if (this.#mark(versionsMoved)) {
        this.#identityVersion = identity.version;
        this.#addressesVersion = localAddresses.version;
        newListenerPorts.clear();
        staleNodes.clear();
      }
    }
    this.#settler.settle(nowMs);
  }

  // Marks what the news is about; true where everything was looked at.
  #mark(versionsMoved: boolean): boolean {
    const { connections, staleNodes } = this.#tables;
    let marked = 0;
    for (let connection = this.#resumeAt; connection < connections.used; connection++) {
      if (!connections.has(connection, ConnectionFlag.inUse)) continue;
      if (connections.has(connection, ConnectionFlag.ended) && staleNodes.size === 0) continue;
      if (!this.#concerns(connection, versionsMoved)) continue;
      this.#tables.markDirty(connection, false);
      if (++marked >= RESETTLED_MAX) {
        this.#resumeAt = connection + 1;
        return false;
      }
    }
    const whole = this.#resumeAt === 0;
    this.#resumeAt = 0;
    return whole;
  }

  #concerns(connection: number, versionsMoved: boolean): boolean {
    const { connections, sockets, newListenerPorts, staleNodes } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    if (staleNodes.size > 0) {
      if (client >= 0 && staleNodes.has(this.#tables.nodeOfSocket(client).index)) return true;
      if (server >= 0 && staleNodes.has(this.#tables.nodeOfSocket(server).index)) return true;
    }
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const lone = client < 0 || server < 0 || (shared && !sockets.isLive(server));
    if (lone && versionsMoved) return true;
    if (
      newListenerPorts.size === 0 ||
      (!lone && connections.directionBy[connection]! >= DirectionBy.listener)
    ) {
      return false;
    }
    const slot = client >= 0 ? client : server;
    return newListenerPorts.has(sockets.localPort[slot]!) || newListenerPorts.has(sockets.remotePort[slot]!);
  }

  #loseSilentNodes(nowMs: number): void {
    for (const node of this.#tables.nodes) {
      if (node.lost || node.arrivedMs === 0 || nowMs - node.arrivedMs < this.#keeping.nodeLostMs) continue;
      node.lost = true;
      node.awaitsKeyframe = true;
      for (const slot of node.sockets.slots()) this.#joiner.retire(slot);
    }
    this.#settler.settle(nowMs);
  }

  #forgetEnded(nowMs: number): void {
    const { connections } = this.#tables;
    const { pairing } = this.#joiner;
    for (let slot = connections.firstEnded; slot >= 0; slot = connections.firstEnded) {
      const expired = nowMs - connections.endedMs[slot]! >= this.#keeping.closedKeepMs;
      if (!expired && connections.endedCount <= ENDED_MAX) return;
      pairing.free(slot);
    }
  }
}
