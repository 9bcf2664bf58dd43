// Network namespaces of every node, as reported. A namespace is kept while one of its sockets is, even after
// its node has reported that it is gone.

import type { NetworkNamespace } from "../../../../lib/gen/whotalks/v1/report.ts";

/** Network namespaces: 2^20, a thousand nodes with a thousand each. */
const NAMESPACES_MAX = 2 ** 20;

/** One network namespace. */
export interface NamespaceRow {
  /** Number of the node. */
  readonly node: number;
  /** Inode number; 0 if unknown. */
  readonly inode: number;
  /** Whether it is the node's own. */
  readonly host: boolean;
  readonly podUid: string;
  readonly containerId: string;
  /** Numbers of the addresses that its node reported for it. */
  readonly addresses: readonly number[];
  /** Cached endpoint number of its sockets without a known process; 0 if not looked up yet. */
  readonly rememberedKey: number;
  /** The endpoint number that all its sockets had so far; 0 if none was looked up, -1 if there are several. */
  readonly soleKey: number;
}

type WritableRow = { -readonly [Field in keyof NamespaceRow]: NamespaceRow[Field] };

/** Namespaces by slot. */
export class NamespaceTable {
  readonly #rows: (WritableRow | null)[] = [];
  readonly #references: number[] = [];
  readonly #free: number[] = [];
  readonly #byPod = new Map<string, number>();
  readonly #hosts = new Map<number, number>();

  /** The namespace in a slot. */
  row(slot: number): NamespaceRow {
    return this.#rows[slot]!;
  }

  /** Number of the node that a namespace is on. */
  nodeOf(slot: number): number {
    return this.#rows[slot]!.node;
  }

  /** Adds a namespace with one reference; returns its slot, or -1 if NAMESPACES_MAX is reached. */
  add(node: number, namespace: NetworkNamespace): number {
    if (this.#free.length === 0 && this.#rows.length >= NAMESPACES_MAX) return -1;
    const slot = this.#free.pop() ?? this.#rows.length;
    const { inode, host, podUid, containerId } = namespace;
    this.#rows[slot] = {
      node,
      inode,
      host,
      podUid,
      containerId,
      addresses: [],
      rememberedKey: 0,
      soleKey: 0,
    };
    this.#references[slot] = 1;
    if (host) this.#hosts.set(node, slot);
    if (podUid !== "") this.#byPod.set(podUid, slot);
    return slot;
  }

  /** Updates a namespace from a report; returns whether its owner changed. */
  update(slot: number, namespace: NetworkNamespace): boolean {
    const row = this.#rows[slot]!;
    if (row.podUid === namespace.podUid && row.containerId === namespace.containerId) return false;
    if (this.#byPod.get(row.podUid) === slot) this.#byPod.delete(row.podUid);
    const { podUid, containerId } = namespace;
    // A new object invalidates what processes have cached for the old one.
    this.#rows[slot] = { ...row, podUid, containerId, rememberedKey: 0, soleKey: 0 };
    if (podUid !== "") this.#byPod.set(podUid, slot);
    return true;
  }

  /** Replaces the addresses of a namespace. */
  setAddresses(slot: number, addresses: readonly number[]): void {
    this.#rows[slot]!.addresses = addresses;
  }

  /** Caches the endpoint number of the namespace's sockets whose process is unknown. */
  rememberKey(slot: number, key: number): void {
    this.#rows[slot]!.rememberedKey = key;
  }

  /** Caches the endpoint number that all sockets of the namespace have; -1 if they have several. */
  rememberSoleKey(slot: number, key: number): void {
    this.#rows[slot]!.soleKey = key;
  }

  /** The namespace of a pod that has one of its own, or -1. */
  ofPod(podUid: string): number {
    return this.#byPod.get(podUid) ?? -1;
  }

  /** The node's own namespace, or -1. */
  ofNode(node: number): number {
    return this.#hosts.get(node) ?? -1;
  }

  retain(slot: number): void {
    this.#references[slot]!++;
  }

  /** Drops a reference; the last one frees the namespace. */
  release(slot: number): void {
    if (--this.#references[slot]! > 0) return;
    const { podUid, node } = this.row(slot);
    if (this.#byPod.get(podUid) === slot) this.#byPod.delete(podUid);
    if (this.#hosts.get(node) === slot) this.#hosts.delete(node);
    this.#rows[slot] = null;
    this.#free.push(slot);
  }
}
