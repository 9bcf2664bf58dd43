// Network namespaces of every node as reports name them. A namespace stays here for as long as a socket of it is kept,
// also after its node has said that it is gone.

import type { NetworkNamespace } from "../../../lib/gen/whotalks/v1/report.ts";

/** Network namespaces kept at most: 2^20, a thousand nodes with a thousand each. */
export const NAMESPACES_MAX = 2 ** 20;

/** One network namespace. */
export interface NamespaceRow {
  /** Number of the node. */
  readonly node: number;
  /** Inode number; 0 where it could not be told. */
  readonly inode: number;
  /** Whether it is the node's own. */
  readonly host: boolean;
  readonly podUid: string;
  readonly containerId: string;
  /** Numbers of the addresses that its node named for it. */
  addresses: number[];
  /** The endpoint key of a socket in it that no process is known for; 0 where it was not asked yet. */
  rememberedKey: number;
  /** The endpoint key that every socket in it had so far; 0 where none was asked for, -1 where there are several. */
  soleKey: number;
}

/** Namespaces by number. */
export class NamespaceTable {
  readonly #rows: (NamespaceRow | null)[] = [];
  readonly #references: number[] = [];
  readonly #free: number[] = [];
  readonly #byPod = new Map<string, number>();
  readonly #hosts = new Map<number, number>();

  /** The namespace with this number. */
  row(slot: number): NamespaceRow {
    return this.#rows[slot]!;
  }

  /** Number of the node that a namespace is on. */
  nodeOf(slot: number): number {
    return this.#rows[slot]!.node;
  }

  /** Adds a namespace with one reference; -1 where NAMESPACES_MAX is reached. */
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

  /** Takes over what a report says anew of a namespace; whether its owner became another. */
  update(slot: number, namespace: NetworkNamespace): boolean {
    const row = this.row(slot);
    if (row.podUid === namespace.podUid && row.containerId === namespace.containerId) return false;
    if (this.#byPod.get(row.podUid) === slot) this.#byPod.delete(row.podUid);
    const { podUid, containerId } = namespace;
    // Another object, so that what was remembered of the old one is not taken for its own.
    this.#rows[slot] = { ...row, podUid, containerId, rememberedKey: 0, soleKey: 0 };
    if (podUid !== "") this.#byPod.set(podUid, slot);
    return true;
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

  /** Takes a reference away; the last one frees the namespace. */
  release(slot: number): void {
    if (--this.#references[slot]! > 0) return;
    const { podUid, node } = this.row(slot);
    if (this.#byPod.get(podUid) === slot) this.#byPod.delete(podUid);
    if (this.#hosts.get(node) === slot) this.#hosts.delete(node);
    this.#rows[slot] = null;
    this.#free.push(slot);
  }
}
