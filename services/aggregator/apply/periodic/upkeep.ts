// Periodic work: ended connections expire, silent nodes are dropped, and connections are re-checked when
// something becomes known that they did not wait for (a listener, a Service, an address's owner).

import type { Identity } from "../../identity/identity.ts";
import { TICK_MS } from "../../../../lib/ticks.ts";
import { Timer } from "../../../../lib/vocabulary/timers.ts";
import { DirectionBy } from "../../../../lib/vocabulary/direction.ts";
import type { Model } from "../../model/model.ts";
import type { NodeRecord } from "../../model/nodes/node-record.ts";
import type { Beginning } from "./beginning.ts";
import type { Connector } from "../connector.ts";
import type { FlowLife } from "../flow-life.ts";
import type { News, NewsItems } from "../news.ts";
import type { Settler } from "../settler.ts";
import type { SocketLife } from "../socket-life.ts";

/** Ended connections kept, whatever their age. */
const ENDED_MAX = 2 ** 18;
/**
 * Silence after which a node's entries in TIME_WAIT are looked at, and how long they are over then, in
 * milliseconds.
 */
const SILENT_MS = 10_000;
const OVER_MS = 5_000;
/** Connections re-checked per sweep; the rest follow in later sweeps. */
const RESETTLED_MAX = 2 ** 14;

/** Retention times, in milliseconds. */
export interface Keeping {
  /** Ended connections, and accounts of deleted namespaces. */
  readonly closedKeepMs: number;
  /** Silence after which a node's connections end. */
  readonly nodeLostMs: number;
}

/** Dependencies of upkeep. */
export interface UpkeepParts {
  readonly identity: Identity;
  readonly connector: Connector;
  readonly sockets: SocketLife;
  readonly flows: FlowLife;
  readonly settler: Settler;
  readonly news: News;
  readonly beginning: Beginning;
  readonly keeping: Keeping;
}

/** One round of re-checking: what changed, and the next connection to check. */
interface Round extends NewsItems {
  /** Whether addresses or Services may have other owners. */
  readonly ownersMoved: boolean;
  at: number;
}

/** The periodic work. */
export class Upkeep {
  readonly #model: Model;
  readonly #parts: UpkeepParts;
  #identityVersion = -1;
  #addressesVersion = -1;
  #round: Round | null = null;

  constructor(model: Model, parts: UpkeepParts) {
    this.#model = model;
    this.#parts = parts;
  }

  /** Does everything that is due at a time of the stream's clock. */
  sweep(nowMs: number): void {
    const { closedKeepMs } = this.#parts.keeping;
    this.#loseSilentNodes(nowMs);
    this.#endTimeWaits(nowMs);
    this.review(nowMs);
    this.#parts.beginning.review(nowMs);
    this.#expire(nowMs);
    this.#model.accounts.forget(nowMs - closedKeepMs);
  }

  /**
   * Re-checks connections that news affects, at most RESETTLED_MAX per call; the rest follow with the next
   * call. Costs nothing if there is no news.
   */
  review(nowMs: number): void {
    const { connector, settler } = this.#parts;
    for (const connection of connector.retries) connector.recheck(connection);
    this.#round ??= this.#begin();
    if (this.#round !== null && this.#recheck(this.#round)) this.#round = null;
    settler.settleWithFlows(nowMs);
  }

  // Takes the news, so that what arrives during this round starts another one.
  #begin(): Round | null {
    const { identity, news } = this.#parts;
    const { localAddresses } = this.#model;
    const ownersMoved =
      identity.version !== this.#identityVersion || localAddresses.version !== this.#addressesVersion;
    if (!ownersMoved && news.isEmpty) return null;
    this.#identityVersion = identity.version;
    this.#addressesVersion = localAddresses.version;
    return { ownersMoved, ...news.take(), at: 0 };
  }

  // Queues the affected connections; returns true once all connections were checked.
  #recheck(round: Round): boolean {
    const { connections } = this.#model;
    let queued = 0;
    for (; round.at < connections.used; round.at++) {
      if (queued >= RESETTLED_MAX) return false;
      if (!connections.exists(round.at)) continue;
      if (connections.isEnded(round.at) && round.nodes.size === 0) continue;
      if (!this.#concerns(round, round.at)) continue;
      this.#parts.connector.recheck(round.at);
      queued++;
    }
    return true;
  }

  #concerns({ ownersMoved, ports, nodes }: Round, connection: number): boolean {
    const { connections, sockets } = this.#model;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    if (nodes.size > 0) {
      if (client >= 0 && nodes.has(this.#model.nodeOfSocket(client).index)) return true;
      if (server >= 0 && nodes.has(this.#model.nodeOfSocket(server).index)) return true;
    }
    const own = connections.serverEnd(connection);
    const lacksEnd = client < 0 || server < 0 || (own < 0 && !sockets.isLive(server));
    if (lacksEnd && ownersMoved) return true;
    if (ports.size === 0) return false;
    if (!lacksEnd && connections.directionBy[connection]! >= DirectionBy.listener) return false;
    const slot = client >= 0 ? client : server;
    if (slot < 0) return false;
    return ports.has(sockets.localPort(slot)) || ports.has(sockets.remotePort(slot));
  }

  #loseSilentNodes(nowMs: number): void {
    const { sockets, flows, settler, keeping } = this.#parts;
    for (const node of this.#model.nodes.all()) {
      const { arrivedMs } = node.stream;
      const silentMs = nowMs - arrivedMs;
      if (node.lost && silentMs >= keeping.nodeLostMs + keeping.closedKeepMs) this.#abandon(node);
      if (node.lost || arrivedMs === 0 || silentMs < keeping.nodeLostMs) continue;
      node.lose();
      sockets.lose(node);
      flows.removeAll(node);
    }
    settler.settle(nowMs);
  }

  // Drops what a lost node's agent could continue: its connections have expired.
  #abandon(node: NodeRecord): void {
    if (node.stream.awaitsKeyframe) return;
    for (const slot of node.ids.sockets.slots()) this.#parts.sockets.retire(slot);
    node.stream.awaitKeyframe();
  }

  // The kernel keeps an entry in TIME_WAIT for a fixed time, whether or not its node reports the end.
  #endTimeWaits(nowMs: number): void {
    const { sockets: all } = this.#model;
    for (const node of this.#model.nodes.all()) {
      if (node.lost || nowMs - node.stream.arrivedMs < SILENT_MS) continue;
      const ticks = node.ticks + (nowMs - node.observedMs - OVER_MS) / TICK_MS;
      for (const slot of node.ids.sockets.slots())
        if (all.timer[slot] === Timer.timeWait && all.timerDeadline[slot]! < ticks)
          this.#parts.sockets.retire(slot);
    }
  }

  #expire(nowMs: number): void {
    const { connections } = this.#model;
    const { connector, beginning, keeping } = this.#parts;
    for (const [connection, endedMs] of connections.ended) {
      const isExpired = beginning.isOver && nowMs - endedMs >= keeping.closedKeepMs;
      if (!isExpired && connections.ended.size <= ENDED_MAX) return;
      connector.expire(connection);
    }
  }
}
