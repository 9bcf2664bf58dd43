// The nodes: their addresses, the address ranges of their pods, and their zones.

import { isDeepStrictEqual } from "node:util";

import { formatAddress, parseRange } from "../../../../lib/address.ts";
import { AddressSpans } from "./cluster-addresses.ts";
import type { NodeObject } from "./cluster-objects.ts";

/** Nodes whose zone is kept after their deletion; Kubernetes supports 5,000 living ones. */
const ZONES_MAX = 2 ** 15;

/** How an address relates to the pod range that contains it. */
interface PodRange {
  readonly node: string;
  /**
   * Whether it is the first host address, which the bridge and ptp network plugins assign to the node's end.
   */
  readonly gateway: boolean;
}

/** The nodes of a cluster. */
export class NodeTable {
  readonly addresses = new AddressSpans();
  readonly #nodes = new Map<string, NodeObject>();
  readonly #zones = new Map<string, string>();
  // Prefix length → first address of the range → node: one lookup per distinct prefix length.
  readonly #ranges = new Map<number, Map<string, string>>();

  /** Number of nodes. */
  get size(): number {
    return this.#nodes.size;
  }

  /** Stores a node; returns whether anything changed. */
  put(node: NodeObject, nowMs: number): boolean {
    const known = this.#nodes.get(node.uid);
    if (known !== undefined && isDeepStrictEqual(known, node)) return false;
    for (const address of known?.addresses ?? []) {
      if (!node.addresses.includes(address)) this.addresses.release(address, node.name, nowMs);
    }
    // A node has its address from before it joined.
    for (const address of node.addresses)
      this.addresses.hold(address, node.name, known === undefined ? 0 : nowMs, nowMs);
    for (const cidr of known?.podCidrs ?? []) this.#dropRange(cidr, node.name);
    for (const cidr of node.podCidrs) this.#setRange(cidr, node.name);
    this.#nodes.set(node.uid, node);
    if (this.#zones.size < ZONES_MAX || this.#zones.has(node.name)) this.#zones.set(node.name, node.zone);
    return true;
  }

  /** Removes a node but keeps its zone. */
  remove(uid: string, nowMs: number): void {
    const node = this.#nodes.get(uid);
    if (node === undefined) return;
    this.#nodes.delete(uid);
    for (const address of node.addresses) this.addresses.release(address, node.name, nowMs);
    for (const cidr of node.podCidrs) this.#dropRange(cidr, node.name);
  }

  /** The current nodes. */
  all(): Iterable<NodeObject> {
    return this.#nodes.values();
  }

  /** Whether there is, or was, a node with this name; true beyond the limit of names. */
  knows(name: string): boolean {
    return this.#zones.has(name) || this.#zones.size >= ZONES_MAX;
  }

  /** Zone of a node; empty if it has none or is unknown. */
  zone(name: string): string {
    return this.#zones.get(name) ?? "";
  }

  /** The pod range that contains an address; undefined if none does. */
  podRange(words: Uint32Array): PodRange | undefined {
    for (const [bits, starts] of this.#ranges) {
      const start = masked(words, bits);
      const node = starts.get(formatAddress(start, 0));
      if (node === undefined) continue;
      start[3] = start[3]! + 1;
      return { node, gateway: start.every((word, index) => word === words[index]) };
    }
    return undefined;
  }

  #setRange(cidr: string, node: string): void {
    const range = startOf(cidr);
    if (range === null) return;
    const starts = this.#ranges.get(range.bits) ?? new Map<string, string>();
    this.#ranges.set(range.bits, starts.set(range.start, node));
  }

  // The range may have been reassigned to another node.
  #dropRange(cidr: string, node: string): void {
    const range = startOf(cidr);
    const starts = range === null ? undefined : this.#ranges.get(range.bits);
    if (starts?.get(range!.start) === node) starts.delete(range!.start);
  }
}

function startOf(cidr: string): { readonly bits: number; readonly start: string } | null {
  const range = parseRange(cidr);
  return range === null
    ? null
    : { bits: range.bits, start: formatAddress(masked(range.words, range.bits), 0) };
}

function masked(words: Uint32Array, bits: number): Uint32Array {
  return words.map((word, index) => {
    const kept = Math.min(32, Math.max(0, bits - 32 * index));
    return kept === 0 ? 0 : (word & (0xffffffff << (32 - kept))) >>> 0;
  });
}
