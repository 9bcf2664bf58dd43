// Who the ends of connections are, by what about them lasts: a pod's container, a systemd unit, a program, a network
// namespace, or the owner of an address. Edges are kept between these; what Kubernetes says of them (names, workloads)
// is asked when someone wants to know, so that what arrives late needs no new keys.

import type { AddressOwner } from "../identify/identity.ts";

/** One end of an edge. */
export type EndpointKey = PodKey | ProcessKey | AddressKey;

/** A socket in a pod. */
export interface PodKey {
  readonly kind: "pod";
  readonly node: string;
  readonly podUid: string;
  readonly containerId: string;
  readonly hostNetwork: boolean;
}

/** A socket outside any pod. What is not known is empty. */
export interface ProcessKey {
  readonly kind: "process";
  readonly node: string;
  readonly containerId: string;
  readonly unit: string;
  readonly exe: string;
  readonly name: string;
  readonly uid: number;
  /** Inode of the network namespace; 0 for the node's own. */
  readonly networkNamespace: number;
}

/** An address without a socket. */
export interface AddressKey {
  readonly kind: "address";
  readonly ip: string;
  /** The owner as known when it was last asked. */
  owner: AddressOwner;
  /** Identity.version then, and the time that was asked for. */
  ownerVersion: number;
  askedForMs: number;
  /** The time of the first connection with it: whose address it was then is what its edges are about. */
  readonly timeMs: number;
}

/** Text that is equal where two owners of an address are the same. */
export function ownerText(owner: AddressOwner): string {
  switch (owner.kind) {
    case "pod":
      return `pod ${owner.pod.uid}`;
    case "node":
      return `node ${owner.node}`;
    case "service":
      return `service ${owner.namespace}/${owner.name}`;
    case "external":
      return `external ${owner.name}`;
    case "unknown":
      return "unknown";
  }
}

/** Endpoint keys by number, counted by the edges that name them. Numbers are never used again. */
export class EndpointTable {
  readonly #byText = new Map<string, number>();
  readonly #rows = new Map<
    number,
    { readonly key: EndpointKey; readonly text: string; references: number }
  >();
  #last = 0;

  /** The number for a text, made with `make` where it is new. It lasts while an edge retains it. */
  intern(text: string, make: () => EndpointKey): number {
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const number = ++this.#last;
    this.#byText.set(text, number);
    this.#rows.set(number, { key: make(), text, references: 0 });
    return number;
  }

  /** The key with this number; undefined where no edge retains it any more. */
  get(number: number): EndpointKey | undefined {
    return this.#rows.get(number)?.key;
  }

  /** Forgets a key that was only asked for: no edge retains it. */
  drop(number: number): void {
    const row = this.#rows.get(number);
    if (row === undefined || row.references > 0) return;
    this.#byText.delete(row.text);
    this.#rows.delete(number);
  }

  retain(number: number): void {
    this.#rows.get(number)!.references++;
  }

  release(number: number): void {
    const row = this.#rows.get(number)!;
    if (--row.references > 0) return;
    this.#byText.delete(row.text);
    this.#rows.delete(number);
  }
}
