// Everything that the aggregator holds, in one place: the stages pass it along and each touches its own part.

import type { Identity } from "../identify/identity.ts";
import { AddressTable } from "./address-table.ts";
import { ConnectionFlag, ConnectionStore } from "./connection-store.ts";
import { EdgeStore } from "./edge-store.ts";
import { EndpointTable } from "./endpoint-table.ts";
import { FlowStore } from "./flow-store.ts";
import { LocalAddresses } from "./local-addresses.ts";
import { NamespaceAccounts } from "./namespace-accounts.ts";
import { NamespaceTable } from "./namespace-table.ts";
import { NodeRecord } from "./node-record.ts";
import { HolderStore, ProcessTable } from "./process-table.ts";
import { SocketStore } from "./socket-store.ts";

/** Nodes at most: twice the 5,000 that Kubernetes supports, for those that come and go. */
export const NODES_MAX = 10_000;

/** What happened to a connection, for those who watch. */
export type Change = "opened" | "changed" | "closed";

/** The aggregator's tables. */
export class Tables {
  readonly addresses = new AddressTable();
  readonly localAddresses = new LocalAddresses();
  readonly namespaces = new NamespaceTable();
  readonly accounts = new NamespaceAccounts(this.namespaces);
  readonly processes = new ProcessTable();
  readonly holders = new HolderStore(this.processes);
  readonly sockets = new SocketStore();
  readonly connections = new ConnectionStore();
  readonly flows = new FlowStore();
  readonly endpoints = new EndpointTable();
  readonly edges = new EdgeStore(this.endpoints);
  readonly nodes: NodeRecord[] = [];
  readonly identity: Identity;
  /** Listeners now. */
  listenerCount = 0;
  /** Connections now that flows make without sockets. */
  loneCount = 0;
  /** What found no place, since start. */
  overflowed = 0;
  /** Ends that are ambiguous now. */
  ambiguousEnds = 0;
  /** Connections that wait to be settled, or to have what they carried added up. */
  readonly dirty: number[] = [];
  /** Ports at which something began to listen since the last sweep. */
  readonly newListenerPorts = new Set<number>();
  /** Nodes of which a namespace, a process or a shared listener became another. */
  readonly staleNodes = new Set<number>();
  /** Told of every change while anyone watches. */
  watcher: ((change: Change, connection: number) => void) | null = null;
  readonly #nodesByName = new Map<string, NodeRecord>();

  constructor(identity: Identity) {
    this.identity = identity;
  }

  /** The node with this name; undefined where it has never reported. */
  node(name: string): NodeRecord | undefined {
    return this.#nodesByName.get(name);
  }

  /** A new node; undefined where NODES_MAX is reached. */
  addNode(name: string): NodeRecord | undefined {
    if (this.nodes.length >= NODES_MAX) return undefined;
    const node = new NodeRecord(this.nodes.length, name);
    this.nodes.push(node);
    this.#nodesByName.set(name, node);
    return node;
  }

  /** The node that a socket is on. */
  nodeOfSocket(slot: number): NodeRecord {
    return this.nodes[this.namespaces.nodeOf(this.sockets.namespace(slot))]!;
  }

  /** Has a connection settled before anyone looks; changed says that something shows that watchers were not told. */
  markDirty(connection: number, changed: boolean): void {
    const { connections } = this;
    if (changed) connections.set(connection, ConnectionFlag.changed);
    if (connections.has(connection, ConnectionFlag.dirty)) return;
    if (!connections.has(connection, ConnectionFlag.carried)) this.dirty.push(connection);
    connections.set(connection, ConnectionFlag.dirty);
  }

  /** Has what a connection carried added up before anyone looks. */
  markCarried(connection: number): void {
    const { connections } = this;
    if (connections.has(connection, ConnectionFlag.dirty | ConnectionFlag.carried)) return;
    connections.set(connection, ConnectionFlag.carried);
    this.dirty.push(connection);
  }
}
