// Everything that the aggregator holds. Each table has its own folder and is the only writer of its columns:
// others call a method that says what happened. Ingest and apply see `Model`; everyone else sees `ReadModel`,
// which cannot change anything.

import { AddressTable } from "./addresses/address-table.ts";
import { LocalAddresses } from "./addresses/local-addresses.ts";
import type { ConnectionRows } from "./connections/connection-rows.ts";
import { ConnectionTable } from "./connections/connection-table.ts";
import { EdgeCounts } from "./edges/edge-counts.ts";
import type { EdgeRows } from "./edges/edge-rows.ts";
import { EndpointTable } from "./edges/endpoint-table.ts";
import type { FlowIndex } from "./flows/flow-index.ts";
import type { FlowRows } from "./flows/flow-rows.ts";
import { FlowTable } from "./flows/flow-table.ts";
import { HolderChains } from "./nodes/holder-chains.ts";
import { NamespaceAccounts } from "./nodes/namespace-accounts.ts";
import { NamespaceTable } from "./nodes/namespace-table.ts";
import type { NodeRecord } from "./nodes/node-record.ts";
import { NodeTable } from "./nodes/node-table.ts";
import { ProcessTable } from "./nodes/process-table.ts";
import { EndIndex } from "./sockets/end-index.ts";
import { ListenerIndex } from "./sockets/listener-index.ts";
import { ServiceEnds } from "./sockets/service-ends.ts";
import type { SocketRows } from "./sockets/socket-rows.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";
import { SocketTable } from "./sockets/socket-table.ts";
import { UnixListeners } from "./sockets/unix-listeners.ts";
import { Overflow } from "./storage/overflow.ts";

/** Read-only view of a node. */
export type ReadNode = Pick<
  NodeRecord,
  | "index"
  | "name"
  | "observedMs"
  | "countedSinceMs"
  | "startMs"
  | "ticks"
  | "lost"
  | "isRead"
  | "coverage"
  | "sinceMs"
  | "earlierRuns"
  | "rivals"
  | "intervalMs"
  | "translates"
> & {
  readonly stream: Pick<NodeRecord["stream"], "epoch" | "awaitsKeyframe" | "gaps" | "arrivedMs">;
};

/** The tables as everyone but ingest and apply sees them: read-only. */
export interface ReadModel {
  readonly addresses: Pick<
    AddressTable,
    | "words"
    | "size"
    | "find"
    | "text"
    | "isLoopback"
    | "isWildcard"
    | "isIpv4"
    | "isIpv6Wildcard"
    | "rememberedEndpoint"
  >;
  readonly localAddresses: Pick<LocalAddresses, "version" | "firstNamespace" | "namespacesOf">;
  readonly nodes: {
    readonly size: number;
    all(): readonly ReadNode[];
    at(index: number): ReadNode;
    named(name: string): ReadNode | undefined;
  };
  readonly namespaces: Pick<NamespaceTable, "row" | "nodeOf" | "ofPod" | "ofNode">;
  readonly accounts: Pick<NamespaceAccounts, "overflowed" | "all" | "neverRead" | "beyondReported">;
  readonly processes: Pick<ProcessTable, "row" | "rememberedKey">;
  readonly holders: Pick<HolderChains, "process" | "fd" | "next" | "primary">;
  readonly sockets: SocketRows;
  readonly ends: Omit<EndIndex, "add" | "remove">;
  readonly listeners: Omit<ListenerIndex, "add" | "remove">;
  readonly unixListeners: Omit<UnixListeners, "add" | "remove">;
  readonly serviceEnds: Omit<ServiceEnds, "put" | "remove">;
  readonly flows: FlowRows & { readonly index: Omit<FlowIndex, "add" | "remove"> };
  readonly connections: ConnectionRows;
  readonly edges: EdgeRows & Pick<EdgeCounts, "edgeOf">;
  readonly endpoints: Pick<EndpointTable, "get">;
  readonly overflow: Pick<Overflow, "total" | "of">;
  /** Slot of the namespace with an agent's id on a node; -1 if there is none. */
  namespaceOnNode(node: number, id: number): number;
  /** The node that a socket is on. */
  nodeOfSocket(slot: number): ReadNode;
  /** The node whose kernel has a flow. */
  nodeOfFlow(flow: number): ReadNode;
}

/** The tables. */
export class Model implements ReadModel {
  readonly overflow = new Overflow();
  readonly addresses = new AddressTable();
  readonly localAddresses = new LocalAddresses();
  readonly nodes = new NodeTable();
  readonly namespaces = new NamespaceTable();
  readonly accounts = new NamespaceAccounts(this.namespaces);
  readonly processes = new ProcessTable();
  readonly holders = new HolderChains(this.processes, this.overflow);
  readonly sockets = new SocketTable();
  readonly ends = new EndIndex(this);
  readonly listeners = new ListenerIndex(this);
  readonly unixListeners = new UnixListeners(this);
  readonly serviceEnds = new ServiceEnds(this.sockets);
  readonly flows = new FlowTable(this.addresses, this.namespaces);
  readonly connections = new ConnectionTable();
  readonly endpoints = new EndpointTable();
  readonly edges = new EdgeCounts(this.endpoints, this.connections);

  namespaceOnNode(node: number, id: number): number {
    return this.nodes.at(node).ids.namespaces.get(id);
  }

  nodeOfSocket(slot: number): NodeRecord {
    return this.nodes.at(this.namespaces.nodeOf(this.sockets.namespace(slot)));
  }

  nodeOfFlow(flow: number): NodeRecord {
    return this.nodes.at(this.namespaces.nodeOf(this.flows.namespace[flow]!));
  }

  /** Frees a socket that is no longer in any index, and releases what it refers to. */
  freeSocket(slot: number): void {
    const { sockets, addresses, holders, namespaces } = this;
    holders.free(sockets.holders(slot));
    if (!isFamily(sockets.protocol(slot))) {
      addresses.release(sockets.localAddress(slot));
      addresses.release(sockets.remoteAddress(slot));
    }
    // Only those of a lost node still have their id.
    const { ids } = this.nodeOfSocket(slot);
    if (ids.sockets.get(sockets.id[slot]!) === slot) ids.sockets.delete(sockets.id[slot]!);
    namespaces.release(sockets.namespace(slot));
    sockets.remove(slot);
  }
}
