// Maps an end to its row in the endpoint table: the owner of a socket, or of an address without a known
// socket. Results are cached by process, namespace and address, so that most lookups need no strings.

import type { Identity } from "../identity/identity.ts";
import type { AddressKey } from "../model/edges/endpoint-key.ts";
import type { Model } from "../model/model.ts";
import type { NamespaceRow } from "../model/nodes/namespace-table.ts";
import { primaryProcess } from "../model/nodes/primary-process.ts";
import { Family } from "../../../lib/vocabulary/protocols.ts";
import { endpointAt, endpointOfNamespace, homeOf } from "../settle/endpoint-of-socket.ts";

/** Endpoint numbers of sockets and addresses. */
export class EndpointKeys {
  readonly #model: Model;
  readonly #identity: Identity;
  #nowMs = 0;
  #identityVersion = -1;
  #versionSinceMs = 0;

  constructor(model: Model, identity: Identity) {
    this.#model = model;
    this.#identity = identity;
  }

  /** Sets the stream's time, from which a change of the identity's version is dated. */
  setTime(nowMs: number): void {
    this.#nowMs = nowMs;
  }

  /** Returns the endpoint number of a socket. */
  ofSocket(slot: number): number {
    const { endpoints, processes, namespaces, sockets } = this.#model;
    if (sockets.protocol(slot) !== Family.unix) {
      // The most frequent case, without allocating an object.
      const row = namespaces.row(sockets.namespace(slot));
      const known = this.#remembered(row, primaryProcess(this.#model, slot));
      if (known > 0) return known;
    }
    const home = homeOf(this.#model, slot);
    const { namespace, row, process } = home;
    const remembered = this.#remembered(row, process);
    if (remembered > 0) return remembered;
    const number = endpoints.intern(endpointAt(this.#model, home));
    if (process >= 0) processes.remember(process, row, number);
    if (namespace < 0) return number;
    if (process < 0) {
      namespaces.rememberKey(namespace, number);
      return number;
    }
    const isSole = row.soleKey === 0 || endpoints.get(row.soleKey) === undefined;
    if (row.soleKey !== number)
      namespaces.rememberSoleKey(namespace, isSole && row.soleKey >= 0 ? number : -1);
    return number;
  }

  /**
   * Returns the endpoint number of an address in a flow of a namespace: if the address's pod or node has it in
   * one namespace, and all of that namespace's sockets belong to one endpoint, that endpoint; else the
   * address's.
   */
  ofFlowAddress(address: number, namespace: number, timeMs: number): number {
    const { addresses, namespaces, endpoints, localAddresses } = this.#model;
    if (addresses.isLoopback(address)) return this.#ofNamespace(namespace);
    const number = this.ofAddress(address, timeMs);
    const key = endpoints.get(number);
    if (key?.kind !== "address") return number;
    const { owner } = key;
    let home = -1;
    if (owner.kind === "pod" && !owner.pod.hostNetwork) home = namespaces.ofPod(owner.pod.uid);
    else if (owner.kind === "node") {
      const having = localAddresses.namespacesOf(address);
      if (having.length === 1) home = having[0]!;
    }
    if (home < 0 || namespaces.row(home).host) return number;
    const sole = namespaces.row(home).soleKey;
    if (sole <= 0 || endpoints.get(sole) === undefined) return number;
    endpoints.drop(number);
    return sole;
  }

  /** Returns the endpoint number of an address without a known socket, by its owner at a time. */
  ofAddress(address: number, timeMs: number): number {
    const { addresses, endpoints } = this.#model;
    const { version } = this.#identity;
    if (version !== this.#identityVersion) {
      this.#identityVersion = version;
      this.#versionSinceMs = this.#nowMs;
    }
    // A cached answer stays valid unless identity changed since the earlier of the two times asked for.
    const remembered = addresses.rememberedEndpoint(address);
    const known = remembered === 0 ? undefined : endpoints.get(remembered);
    if (known?.kind === "address" && known.ownerVersion === version) {
      if (Math.min(timeMs, known.askedForMs) >= this.#versionSinceMs) return remembered;
    }
    const ip = addresses.text(address);
    const owner = this.#identity.addressOwner(ip, timeMs);
    const key: AddressKey = { kind: "address", ip, owner, ownerVersion: version, askedForMs: timeMs, timeMs };
    const number = endpoints.intern(key);
    endpoints.refresh(number, version, timeMs, owner);
    addresses.rememberEndpoint(address, number);
    return number;
  }

  /** Returns the endpoint number of a unix socket's unknown peer: some process on the same node. */
  ofUnknownPeer(timeMs: number): number {
    return this.#model.endpoints.intern({
      kind: "address",
      ip: "",
      owner: { kind: "unknown" },
      ownerVersion: 0,
      askedForMs: timeMs,
      timeMs,
    });
  }

  // The cached number for sockets of a process in a namespace; 0 if it no longer exists.
  #remembered(row: NamespaceRow, process: number): number {
    const { endpoints, processes } = this.#model;
    const remembered = process < 0 ? row.rememberedKey : processes.rememberedKey(process, row);
    return remembered !== 0 && endpoints.get(remembered) !== undefined ? remembered : 0;
  }

  #ofNamespace(namespace: number): number {
    const { namespaces, endpoints } = this.#model;
    const row = namespaces.row(namespace);
    for (const known of [row.soleKey, row.rememberedKey])
      if (known > 0 && endpoints.get(known) !== undefined) return known;
    const number = endpoints.intern(endpointOfNamespace(this.#model, namespace));
    namespaces.rememberKey(namespace, number);
    return number;
  }
}
