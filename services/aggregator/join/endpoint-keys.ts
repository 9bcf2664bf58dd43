// Who an end is, as a number of the endpoint table: the pod, container, unit or program of a socket, or the owner of an
// address where no socket is known. Answers are remembered by process and by address, so that most cost no text.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { AddressKey, EndpointKey } from "../store/endpoint-table.ts";
import { ownerText } from "../store/endpoint-table.ts";
import type { NamespaceRow } from "../store/namespace-table.ts";
import { Family, SocketKind } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import type { FamilyListeners } from "./family-listeners.ts";

/** Endpoint keys of sockets and addresses. */
export class EndpointKeys {
  readonly #tables: Tables;
  readonly #unixListeners: FamilyListeners;
  /** The time by the stream's clock. */
  nowMs = 0;
  #identityVersion = -1;
  #versionSinceMs = 0;

  constructor(tables: Tables, unixListeners: FamilyListeners) {
    this.#tables = tables;
    this.#unixListeners = unixListeners;
  }

  /** The process that a socket is named after, or -1. */
  primaryProcess(slot: number): number {
    const { sockets, holders } = this.#tables;
    return holders.primary(sockets.holders(slot), sockets.kind(slot) === SocketKind.listener);
  }

  /** Whether two sockets of one namespace are held by the same program in the same place. */
  areAlike(a: number, b: number): boolean {
    const { processes } = this.#tables;
    const first = this.primaryProcess(a);
    const second = this.primaryProcess(b);
    if (first === second) return true;
    if (first < 0 || second < 0) return false;
    const left = processes.row(first);
    const right = processes.row(second);
    return (
      left.exe === right.exe &&
      left.name === right.name &&
      left.unit === right.unit &&
      left.podUid === right.podUid &&
      left.containerId === right.containerId
    );
  }

  /** The endpoint key of a socket. */
  ofSocket(slot: number): number {
    const { endpoints, processes, nodes } = this.#tables;
    const owner = this.#ownerOf(slot);
    const process = this.primaryProcess(owner);
    const row = this.#homeOf(owner, process);
    const remembered = process < 0 ? row.rememberedKey : processes.rememberedKey(process, row);
    if (remembered !== 0 && endpoints.get(remembered) !== undefined) return remembered;
    const key = socketKey(nodes[row.node]!.name, row, process < 0 ? null : processes.row(process));
    const number = endpoints.intern(textOfKey(key), () => key);
    if (process < 0) row.rememberedKey = number;
    else {
      processes.remember(process, row, number);
      const alone = row.soleKey === 0 || endpoints.get(row.soleKey) === undefined;
      if (row.soleKey !== number) row.soleKey = alone && row.soleKey >= 0 ? number : -1;
    }
    return number;
  }

  /**
   * The endpoint key of an address that a flow in a namespace names: where one pod has it whose sockets all belong to
   * one container, that one's, as sockets of it would have; else the address's.
   */
  ofFlowAddress(address: number, namespace: number, timeMs: number): number {
    const { addresses, namespaces, endpoints, localAddresses } = this.#tables;
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

  #ofNamespace(namespace: number): number {
    const { namespaces, endpoints, nodes } = this.#tables;
    const row = namespaces.row(namespace);
    for (const known of [row.soleKey, row.rememberedKey])
      if (known > 0 && endpoints.get(known) !== undefined) return known;
    const key = socketKey(nodes[row.node]!.name, row, null);
    row.rememberedKey = endpoints.intern(textOfKey(key), () => key);
    return row.rememberedKey;
  }

  /** What the endpoint key of a socket would be; nothing is kept of it. */
  keyOfSocket(slot: number): EndpointKey {
    const { processes, nodes } = this.#tables;
    const owner = this.#ownerOf(slot);
    const process = this.primaryProcess(owner);
    const row = this.#homeOf(owner, process);
    return socketKey(nodes[row.node]!.name, row, process < 0 ? null : processes.row(process));
  }

  // The kernel puts an accepted unix socket into its client's network namespace (net/unix/af_unix.c,
  // unix_stream_connect): whose it is, its holder tells, or the only listener with its path, and nothing else.

  // The socket that tells whose a socket is: itself, or that listener.
  #ownerOf(slot: number): number {
    const { sockets } = this.#tables;
    if (sockets.protocol(slot) !== Family.unix || !this.#isHeldByNobody(slot)) return slot;
    const listener = this.#unixListeners.withPathOf(slot);
    return listener < 0 ? slot : listener;
  }

  // Where the owner of a socket is at home.
  #homeOf(slot: number, process: number): NamespaceRow {
    const { sockets, namespaces, processes, nodes } = this.#tables;
    const row = namespaces.row(sockets.namespace(slot));
    if (sockets.protocol(slot) !== Family.unix) return row;
    if (process < 0) return this.#isHeldByNobody(slot) ? nowhere(row, "", "") : row;
    const { namespace, podUid, containerId } = processes.row(process);
    const own = namespace === 0 ? -1 : nodes[row.node]!.namespaces.get(namespace - 1);
    const home = own < 0 ? null : namespaces.row(own);
    return home !== null && (home.host || home.podUid === podUid) ? home : nowhere(row, podUid, containerId);
  }

  // Whether it may have been accepted, by somebody who is not known.
  #isHeldByNobody(slot: number): boolean {
    const { sockets } = this.#tables;
    return sockets.kind(slot) === SocketKind.end && sockets.holders(slot) === 0 && sockets.paths.has(slot);
  }

  /** The endpoint key of an address that no socket is known for, by who had it at a time. */
  ofAddress(address: number, timeMs: number): number {
    const { addresses, endpoints, identity } = this.#tables;
    const { version } = identity;
    if (version !== this.#identityVersion) {
      this.#identityVersion = version;
      this.#versionSinceMs = this.nowMs;
    }
    // A remembered answer serves for times at which nothing was known yet of what came after.
    const remembered = addresses.tag[address]!;
    const known = remembered === 0 ? undefined : endpoints.get(remembered);
    if (known?.kind === "address" && known.ownerVersion === version) {
      if (Math.min(timeMs, known.askedForMs) >= this.#versionSinceMs) return remembered;
    }
    const ip = addresses.text(address);
    const owner = identity.addressOwner(ip, timeMs);
    const made: AddressKey = {
      kind: "address",
      ip,
      owner,
      ownerVersion: version,
      askedForMs: timeMs,
      timeMs,
    };
    const number = endpoints.intern(textOfKey(made), () => made);
    const key = endpoints.get(number);
    if (key?.kind === "address") {
      key.owner = owner;
      key.ownerVersion = version;
      key.askedForMs = timeMs;
    }
    addresses.tag[address] = number;
    return number;
  }
}

// A place on a namespace's node that is in no namespace that is known.
function nowhere(row: NamespaceRow, podUid: string, containerId: string): NamespaceRow {
  return { ...row, inode: 0, host: false, podUid, containerId, rememberedKey: 0 };
}

function socketKey(node: string, namespace: NamespaceRow, process: ProcessInfo | null): EndpointKey {
  const podUid = podUidOf(namespace, process);
  const networkNamespace = namespace.host ? 0 : namespace.inode;
  const containerId = process?.containerId || (namespace.host ? "" : namespace.containerId);
  if (podUid !== "") return { kind: "pod", node, podUid, containerId, hostNetwork: namespace.host };
  const unknown = {
    kind: "process",
    node,
    containerId,
    unit: "",
    exe: "",
    name: "",
    uid: 0,
    networkNamespace,
  } as const;
  if (process === null) return unknown;
  if (containerId !== "") return { ...unknown, name: process.name, exe: process.exe, uid: process.uid };
  if (process.unit !== "") return { ...unknown, unit: process.unit };
  return { ...unknown, name: process.name, exe: process.exe, uid: process.uid };
}

/**
 * The pod that a socket belongs to. In the node's own namespace that is its holder's; elsewhere the namespace's, since
 * a service mesh's proxy holds sockets in the namespaces of other pods.
 */
export function podUidOf(namespace: NamespaceRow, process: ProcessInfo | null): string {
  if (namespace.host) return process?.podUid ?? "";
  return namespace.podUid || (process?.podUid ?? "");
}

/** Text that is equal where two keys are. */
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
