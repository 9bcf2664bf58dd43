// Identity on one machine without Kubernetes: pods are known by their uid alone (from cgroups), addresses by whether
// any network namespace of the machine has them.

import { isIpv4, isLoopback, isWildcard, parseAddress } from "../../../lib/address.ts";
import type { AddressOwner, Identity } from "./identity.ts";

/** What the embedded identity asks of the tables. */
interface LocalAddressView {
  /** Name of the node that has the address (four words) as its own in any namespace; null where none has. */
  ownerNode(words: Uint32Array): string | null;
  /** Counts up whenever an address becomes local somewhere. */
  readonly version: number;
}

/** Who is who on a machine of its own. */
export class EmbeddedIdentity implements Identity {
  #addresses: LocalAddressView | null = null;

  /** The aggregator tells it which addresses are the machine's, once it holds the tables that say so. */
  attach(addresses: LocalAddressView): void {
    this.#addresses = addresses;
  }

  get version(): number {
    return this.#addresses?.version ?? 0;
  }

  pod(): undefined {
    return undefined;
  }

  addressOwner(ip: string): AddressOwner {
    const words = parseAddress(ip);
    if (words === null || isWildcard(words, 0)) return { kind: "unknown" };
    // Loopback is the machine's own: which namespace's, only a socket tells.
    if (isLoopback(words, 0)) return { kind: "node", node: "" };
    const node = this.#addresses?.ownerNode(words) ?? null;
    // A group's address (224.0.0.0/4, the broadcast address, ff00::/8) is nobody's, so nobody outside's either.
    if (node === null && isGroup(words)) return { kind: "unknown" };
    return node === null ? { kind: "external", name: "" } : { kind: "node", node };
  }

  serviceFront(): undefined {
    return undefined;
  }

  zone(): string {
    return "";
  }

  declaration(): undefined {
    return undefined;
  }
}

function isGroup(words: Uint32Array): boolean {
  return isIpv4(words, 0) ? words[3]! >>> 28 >= 0xe : words[0]! >>> 24 === 0xff;
}
