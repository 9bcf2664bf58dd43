// Identity on one machine without Kubernetes: pods are known only by their uid (from cgroups); addresses are
// local if any network namespace of the machine has them.

import { isIpv4, isLoopback, isWildcard, parseAddress } from "../../../lib/address.ts";
import type { ReadModel } from "../model/model.ts";
import type { AddressOwner, Identity } from "./identity.ts";

/** Identity on one machine without Kubernetes. */
export class EmbeddedIdentity implements Identity {
  readonly #model: ReadModel;

  constructor(model: ReadModel) {
    this.#model = model;
  }

  get version(): number {
    return this.#model.localAddresses.version;
  }

  pod(): undefined {
    return undefined;
  }

  addressOwner(ip: string): AddressOwner {
    const words = parseAddress(ip);
    if (words === null || isWildcard(words, 0)) return { kind: "unknown" };
    // Loopback belongs to the machine: only a socket determines the namespace.
    if (isLoopback(words, 0)) return { kind: "node", node: "" };
    const node = this.#nodeHaving(words);
    // A group address (224.0.0.0/4, the broadcast address, ff00::/8) belongs to no host, so it is not external
    // either.
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

  // Name of the node that has an address in any of its namespaces; null if none has.
  #nodeHaving(words: Uint32Array): string | null {
    const { addresses, localAddresses, namespaces, nodes } = this.#model;
    const address = addresses.find(words, 0);
    const namespace = address < 0 ? -1 : localAddresses.firstNamespace(address);
    return namespace < 0 ? null : nodes.at(namespaces.nodeOf(namespace)).name;
  }
}

function isGroup(words: Uint32Array): boolean {
  return isIpv4(words, 0) ? words[3]! >>> 28 >= 0xe : words[0]! >>> 24 === 0xff;
}
