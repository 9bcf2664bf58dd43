// Endpoint keys: the lasting identity of a connection's end: a pod's container, a systemd unit, a program, a
// network namespace, or the owner of an address. Edges connect these. What Kubernetes knows about them (names,
// workloads) is looked up per answer, so that late knowledge needs no new keys.

import type { AddressOwner } from "../../identity/identity.ts";

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

/** A socket outside any pod. Unknown fields are empty. */
interface ProcessKey {
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
  /** The owner as of the last lookup. */
  readonly owner: AddressOwner;
  /** Identity.version at the last lookup, and the time it asked for. */
  readonly ownerVersion: number;
  readonly askedForMs: number;
  /** The time of the key's first connection: its edges are about the owner at that time. */
  readonly timeMs: number;
}

/** Returns text that is equal for equal keys. */
export function textOfKey(key: EndpointKey): string {
  switch (key.kind) {
    case "pod":
      return `pod\n${key.podUid}\n${key.containerId}\n${key.node}`;
    case "process":
      if (key.containerId !== "") return `container\n${key.node}\n${key.containerId}`;
      if (key.unit !== "") return `unit\n${key.node}\n${key.unit}`;
      return `program\n${key.node}\n${key.networkNamespace}\n${key.exe}\n${key.name}`;
    case "address":
      return `address\n${key.ip}\n${ownerText(key.owner)}`;
  }
}

// Returns text that is equal for equal owners of an address.
function ownerText(owner: AddressOwner): string {
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
