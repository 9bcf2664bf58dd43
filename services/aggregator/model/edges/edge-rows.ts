// Edges as everyone reads them: aggregated connections, one row per client, server, protocol, server port,
// dialled address and unix path. An edge stays after its connections are gone, until its room is needed.

import { ChainIndex } from "../storage/chain-index.ts";
import { mixHash } from "../../../../lib/hash.ts";
import { EdgeColumns } from "../../gen/edge-columns.ts";

/** The key of an edge. */
export interface EdgeKey {
  /** Endpoint numbers. */
  readonly client: number;
  readonly server: number;
  readonly protocol: number;
  /** The server's port. */
  readonly port: number;
  /**
   * The place that the clients dialled, if it differs from the server: text of the address, and port; else ""
   * and 0.
   */
  readonly viaIp: string;
  readonly viaPort: number;
  /** Unix only. */
  readonly path: string;
}

/** Edges. Slots are reused. */
export class EdgeRows extends EdgeColumns {
  protected readonly index = new ChainIndex();
  protected readonly viaIpsBySlot = new Map<number, string>();
  protected readonly pathsBySlot = new Map<number, string>();
  // Oldest first: sets keep insertion order.
  protected readonly order = new Set<number>();

  get size(): number {
    return this.order.size;
  }

  /** Every edge. */
  slots(): Iterable<number> {
    return this.order;
  }

  /** Text of the address that the clients dialled; empty if it is the server's own. */
  viaIp(slot: number): string {
    return this.viaIpsBySlot.get(slot) ?? "";
  }

  /** Path of a unix edge; empty if it has none. */
  path(slot: number): string {
    return this.pathsBySlot.get(slot) ?? "";
  }

  /** The edge with this key, or -1. */
  find(key: EdgeKey): number {
    for (let slot = this.index.first(hashOf(key)); slot >= 0; slot = this.index.after(slot))
      if (this.is(slot, key)) return slot;
    return -1;
  }

  /** Whether an edge has this key. */
  is(slot: number, key: EdgeKey): boolean {
    return (
      this._client[slot] === key.client &&
      this._server[slot] === key.server &&
      this._port[slot] === key.port &&
      this._protocol[slot] === key.protocol &&
      this._viaPort[slot] === key.viaPort &&
      (this.viaIpsBySlot.size === 0 || this.viaIp(slot) === key.viaIp) &&
      (this.pathsBySlot.size === 0 || this.path(slot) === key.path)
    );
  }
}

/** Hash of an edge's key. */
export function hashOf({ client, server, protocol, port, viaPort }: EdgeKey): number {
  return mixHash(mixHash(mixHash(client, server), (protocol << 16) | port), viaPort);
}
