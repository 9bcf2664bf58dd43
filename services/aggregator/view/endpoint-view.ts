// Endpoints as the API shows them: converts the model's numbers to text, for one answer.

import { Endpoint } from "../../../lib/gen/whotalks/v1/query.ts";
import type { AddressOwner, Identity, PodIdentity } from "../identity/identity.ts";
import type { AddressKey, EndpointKey, PodKey } from "../model/edges/endpoint-key.ts";
import { textOfKey } from "../model/edges/endpoint-key.ts";
import type { ReadModel } from "../model/model.ts";
import { endpointOfSocket } from "../settle/endpoint-of-socket.ts";
import type { Side } from "./connection-view.ts";

/** Endpoints, each built once per answer, so that an answer describes one moment. */
export class EndpointView {
  readonly #model: ReadModel;
  readonly #identity: Identity;
  readonly #byNumber = new Map<number, Endpoint>();
  readonly #byText = new Map<string, Endpoint>();

  constructor(model: ReadModel, identity: Identity) {
    this.#model = model;
    this.#identity = identity;
  }

  /** The endpoint with a number, without fields of a single socket. The caller must not change it. */
  numbered(number: number): Endpoint {
    const made = this.#byNumber.get(number);
    if (made !== undefined) return made;
    const key = this.#model.endpoints.get(number);
    const endpoint = key === undefined ? Endpoint.create({ kind: "unknown" }) : this.#make(key);
    this.#byNumber.set(number, endpoint);
    return endpoint;
  }

  /** The endpoint of a socket, without that socket's own fields. The caller must not change it. */
  ofSocket(slot: number): Endpoint {
    return this.#ofKey(endpointOfSocket(this.#model, slot));
  }

  /**
   * The endpoint of a side of a connection first seen at a time, as on its edge. The caller must not change
   * it.
   */
  ofSide({ endpoint, socket, address }: Side, timeMs: number): Endpoint {
    if (endpoint >= 0) return this.numbered(endpoint);
    if (socket >= 0) return this.ofSocket(socket);
    return address >= 0 ? this.#ofAddress(address, timeMs) : Endpoint.create({ kind: "unknown" });
  }

  #ofAddress(address: number, timeMs: number): Endpoint {
    const ip = this.#model.addresses.text(address);
    const owner = this.#identity.addressOwner(ip, timeMs);
    const ownerVersion = this.#identity.version;
    return this.#ofKey({ kind: "address", ip, owner, ownerVersion, askedForMs: timeMs, timeMs });
  }

  #ofKey(key: EndpointKey): Endpoint {
    const text = textOfKey(key);
    let made = this.#byText.get(text);
    if (made === undefined) {
      made = this.#make(key);
      this.#byText.set(text, made);
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
          zone: this.#identity.zone(key.node),
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
    const identity = this.#identity;
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

  // If identity has changed, looks up the owner again, for the time of the key's first connection.
  #address(key: AddressKey): Endpoint {
    const identity = this.#identity;
    const isOutdated = key.ip !== "" && key.ownerVersion !== identity.version;
    const owner = isOutdated ? identity.addressOwner(key.ip, key.timeMs) : key.owner;
    const endpoint = Endpoint.create({ kind: owner.kind, ip: key.ip });
    describeOwner(endpoint, owner);
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
