// Who an end is, as the API shows it: what is kept as numbers becomes text here, when someone asks.

import { Endpoint } from "../../../lib/gen/whotalks/v1/query.ts";
import type { AddressOwner, PodIdentity } from "../identify/identity.ts";
import type { EndpointKeys } from "../join/endpoint-keys.ts";
import { textOfKey } from "../join/endpoint-keys.ts";
import type { AddressKey, EndpointKey, PodKey } from "../store/endpoint-table.ts";
import type { Tables } from "../store/tables.ts";

/** Endpoints of keys, each made once: one per answer, so that an answer speaks of one moment. */
export class EndpointMessages {
  readonly #tables: Tables;
  readonly #made = new Map<number, Endpoint>();
  readonly #bySocketOwner = new Map<string, Endpoint>();

  constructor(tables: Tables) {
    this.#tables = tables;
  }

  /** The endpoint of a key, without what belongs to one socket. The caller must not change it. */
  ofKey(number: number): Endpoint {
    const made = this.#made.get(number);
    if (made !== undefined) return made;
    const key = this.#tables.endpoints.get(number);
    const endpoint = key === undefined ? Endpoint.create({ kind: "unknown" }) : this.#make(key);
    this.#made.set(number, endpoint);
    return endpoint;
  }

  /** The endpoint of a socket, without what belongs to it alone. The caller must not change it. */
  ofSocket(slot: number, keys: EndpointKeys): Endpoint {
    const key = keys.keyOfSocket(slot);
    const text = textOfKey(key);
    let made = this.#bySocketOwner.get(text);
    if (made === undefined) {
      made = this.#make(key);
      this.#bySocketOwner.set(text, made);
    }
    return made;
  }

  #make(key: EndpointKey): Endpoint {
    switch (key.kind) {
      case "pod":
        return this.#pod(key);
      case "process":
        return Endpoint.create({
          kind: "process",
          node: key.node,
          zone: this.#tables.identity.zone(key.node),
          container: key.containerId,
          unit: key.unit,
          ...(key.name === "" && key.exe === ""
            ? {}
            : { process: { pid: 0, name: key.name, exe: key.exe, uid: key.uid } }),
          networkNamespace: key.networkNamespace,
        });
      case "address":
        return this.#address(key);
    }
  }

  #pod(key: PodKey): Endpoint {
    const { identity } = this.#tables;
    const endpoint = Endpoint.create({
      kind: "pod",
      node: key.node,
      zone: identity.zone(key.node),
      podUid: key.podUid,
      container: key.containerId,
      hostNetwork: key.hostNetwork,
    });
    const pod = identity.pod(key.podUid);
    if (pod === undefined) return endpoint;
    describePod(endpoint, pod);
    const container = pod.containers.get(key.containerId);
    if (container !== undefined) {
      endpoint.container = container.name;
      endpoint.image = container.image;
    }
    return endpoint;
  }

  // What is known better by now counts: asked again for the time of its first connection.
  #address(key: AddressKey): Endpoint {
    const { identity } = this.#tables;
    if (key.ip !== "" && key.ownerVersion !== identity.version) {
      key.owner = identity.addressOwner(key.ip, key.timeMs);
      key.ownerVersion = identity.version;
      key.askedForMs = key.timeMs;
    }
    const endpoint = Endpoint.create({ kind: key.owner.kind, ip: key.ip });
    describeOwner(endpoint, key.owner);
    endpoint.zone = identity.zone(endpoint.node);
    return endpoint;
  }
}

function describeOwner(endpoint: Endpoint, owner: AddressOwner): void {
  switch (owner.kind) {
    case "pod":
      describePod(endpoint, owner.pod);
      endpoint.podUid = owner.pod.uid;
      endpoint.node = owner.pod.node;
      return;
    case "node":
      endpoint.node = owner.node;
      return;
    case "service":
      endpoint.namespace = owner.namespace;
      endpoint.name = owner.name;
      return;
    case "external":
      endpoint.name = owner.name;
      return;
    case "unknown":
  }
}

function describePod(endpoint: Endpoint, pod: PodIdentity): void {
  endpoint.namespace = pod.namespace;
  endpoint.pod = pod.name;
  endpoint.workload = { kind: pod.workload.kind, name: pod.workload.name };
  endpoint.serviceAccount = pod.serviceAccount;
  endpoint.hostNetwork = pod.hostNetwork;
  endpoint.labels = { ...pod.labels };
}
