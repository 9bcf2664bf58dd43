// The nodes that have reported, by number and by name.

import { NodeRecord } from "./node-record.ts";

/** Nodes: twice the 5,000 that Kubernetes supports, to allow for nodes that come and go. */
const NODES_MAX = 10_000;

/** Nodes. */
export class NodeTable {
  readonly #nodes: NodeRecord[] = [];
  readonly #byName = new Map<string, NodeRecord>();

  get size(): number {
    return this.#nodes.length;
  }

  /** Every node, by number. */
  all(): readonly NodeRecord[] {
    return this.#nodes;
  }

  /** The node with this number. */
  at(index: number): NodeRecord {
    return this.#nodes[index]!;
  }

  /** The node with this name; undefined if it has never reported. */
  named(name: string): NodeRecord | undefined {
    return this.#byName.get(name);
  }

  /** Adds a node; undefined if NODES_MAX is reached. */
  add(name: string): NodeRecord | undefined {
    if (this.#nodes.length >= NODES_MAX) return undefined;
    const node = new NodeRecord(this.#nodes.length, name);
    this.#nodes.push(node);
    this.#byName.set(name, node);
    return node;
  }
}
