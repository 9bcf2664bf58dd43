// What time does: ended connections are forgotten after a while, silent nodes are given up, and connections are looked
// at again when something became known that they did not wait for (a listener, a Service, an address's owner).

import { ConnectionFlag, DirectionBy } from "../store/connection-store.ts";
import type { Tables } from "../store/tables.ts";
import type { Joiner } from "./joiner.ts";
import type { Settler } from "./settler.ts";

/** Ended connections kept at most, whatever their age. */
export const ENDED_MAX = 2 ** 18;
/** Connections that one sweep looks at again at most; the rest follow in the next ones. */
const RESETTLED_MAX = 2 ** 14;

/** How long things are kept, in milliseconds. */
export interface Keeping {
  /** Ended connections, and accounts of namespaces that are gone. */
  readonly closedKeepMs: number;
  /** Silence after which a node's connections end. */
  readonly nodeLostMs: number;
}

/** Some news, and how far the connections have been looked at because of it. */
interface Round {
  /** Whether addresses or services may have other owners. */
  readonly ownersMoved: boolean;
  /** Ports at which something began to listen. */
  readonly ports: ReadonlySet<number>;
  /** Nodes of which a namespace, a process or a shared listener became another. */
  readonly nodes: ReadonlySet<number>;
  at: number;
}

/** The work that is done now and then. */
export class Sweeper {
  readonly #tables: Tables;
  readonly #joiner: Joiner;
  readonly #settler: Settler;
  readonly #keeping: Keeping;
  #identityVersion = -1;
  #addressesVersion = -1;
  #round: Round | null = null;

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
    this.#tables.accounts.forget(nowMs - this.#keeping.closedKeepMs);
  }

  /**
   * Looks again at the connections for which something new is known, RESETTLED_MAX of them at most: what is left follows
   * with the next call. Costs nothing where nothing is new.
   */
  review(nowMs: number): void {
    for (const connection of this.#joiner.pairing.waiting) this.#tables.markDirty(connection, false);
    this.#round ??= this.#begin();
    if (this.#round !== null && this.#mark(this.#round)) this.#round = null;
    this.#settler.settleFlows(nowMs);
  }

  // Takes the news over, so that what comes while this round lasts makes another one.
  #begin(): Round | null {
    const { newListenerPorts, staleNodes, identity, localAddresses } = this.#tables;
    const ownersMoved =
      identity.version !== this.#identityVersion || localAddresses.version !== this.#addressesVersion;
    if (!ownersMoved && newListenerPorts.size === 0 && staleNodes.size === 0) return null;
    const round = { ownersMoved, ports: new Set(newListenerPorts), nodes: new Set(staleNodes), at: 0 };
    newListenerPorts.clear();
    staleNodes.clear();
    this.#identityVersion = identity.version;
    this.#addressesVersion = localAddresses.version;
    return round;
  }

  // Marks what the news is about; true once all connections were looked at.
  #mark(round: Round): boolean {
    const { connections } = this.#tables;
    let marked = 0;
    for (; round.at < connections.used; round.at++) {
      if (marked >= RESETTLED_MAX) return false;
      if (!connections.has(round.at, ConnectionFlag.inUse)) continue;
      if (connections.has(round.at, ConnectionFlag.ended) && round.nodes.size === 0) continue;
      if (!this.#concerns(round, round.at)) continue;
      this.#tables.markDirty(round.at, false);
      marked++;
    }
    return true;
  }

  #concerns({ ownersMoved, ports, nodes }: Round, connection: number): boolean {
    const { connections, sockets } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    if (nodes.size > 0) {
      if (client >= 0 && nodes.has(this.#tables.nodeOfSocket(client).index)) return true;
      if (server >= 0 && nodes.has(this.#tables.nodeOfSocket(server).index)) return true;
    }
    const shared = connections.has(connection, ConnectionFlag.sharedServer);
    const lone = client < 0 || server < 0 || (shared && !sockets.isLive(server));
    if (lone && ownersMoved) return true;
    if (ports.size === 0 || (!lone && connections.directionBy[connection]! >= DirectionBy.listener))
      return false;
    const slot = client >= 0 ? client : server;
    if (slot < 0) return false;
    return ports.has(sockets.localPort(slot)) || ports.has(sockets.remotePort(slot));
  }

  #loseSilentNodes(nowMs: number): void {
    for (const node of this.#tables.nodes) {
      if (node.lost || node.arrivedMs === 0 || nowMs - node.arrivedMs < this.#keeping.nodeLostMs) continue;
      node.lost = true;
      node.awaitsKeyframe = true;
      for (const slot of node.sockets.slots()) this.#joiner.retire(slot);
      this.#joiner.flowLife.dropAll(node, false);
    }
    this.#settler.settle(nowMs);
  }

  #forgetEnded(nowMs: number): void {
    const { connections } = this.#tables;
    const { pairing } = this.#joiner;
    for (const [slot, endedMs] of connections.ended) {
      const expired = nowMs - endedMs >= this.#keeping.closedKeepMs;
      if (!expired && connections.ended.size <= ENDED_MAX) return;
      pairing.free(slot);
    }
  }
}
