// Determines the owner of a socket (pod, container, unit or program) as an endpoint key.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { EndpointKey } from "../model/edges/endpoint-key.ts";
import type { ReadModel } from "../model/model.ts";
import type { NamespaceRow } from "../model/nodes/namespace-table.ts";
import { primaryProcess } from "../model/nodes/primary-process.ts";
import { Family } from "../../../lib/vocabulary/protocols.ts";
import { SocketKind } from "../model/sockets/socket-rows.ts";

/** Where a socket belongs. */
export interface SocketHome {
  /** Slot of its owner's network namespace; -1 if no report names it. */
  readonly namespace: number;
  readonly row: NamespaceRow;
  /** The primary process of the socket; -1 if none is known. */
  readonly process: number;
}

/** Returns the endpoint key of a socket. */
export function endpointOfSocket(model: ReadModel, slot: number): EndpointKey {
  return endpointAt(model, homeOf(model, slot));
}

/** Returns the endpoint key of a process's sockets in a namespace. */
export function endpointAt(
  { nodes, processes }: ReadModel,
  { row, process }: Pick<SocketHome, "row" | "process">,
): EndpointKey {
  return socketKey(nodes.at(row.node).name, row, process < 0 ? null : processes.row(process));
}

/** Returns the endpoint key of sockets in a namespace whose process is unknown. */
export function endpointOfNamespace({ nodes, namespaces }: ReadModel, namespace: number): EndpointKey {
  const row = namespaces.row(namespace);
  return socketKey(nodes.at(row.node).name, row, null);
}

/** Returns where a socket belongs. */
export function homeOf(model: ReadModel, slot: number): SocketHome {
  const { sockets, namespaces } = model;
  if (sockets.protocol(slot) === Family.unix) return homeOfUnix(model, ownerOf(model, slot));
  const namespace = sockets.namespace(slot);
  return { namespace, row: namespaces.row(namespace), process: primaryProcess(model, slot) };
}

function homeOfUnix(model: ReadModel, owner: number): SocketHome {
  const { sockets, namespaces, processes } = model;
  const process = primaryProcess(model, owner);
  const namespace = sockets.namespace(owner);
  const row = namespaces.row(namespace);
  if (process < 0) {
    return isHeldByNobody(model, owner)
      ? { namespace: -1, row: unknownNamespace(row, "", ""), process }
      : { namespace, row, process };
  }
  const { namespace: ownId, podUid, containerId } = processes.row(process);
  const home = ownId === 0 ? -1 : model.namespaceOnNode(row.node, ownId - 1);
  const homeRow = home < 0 ? null : namespaces.row(home);
  return homeRow !== null && (homeRow.host || homeRow.podUid === podUid)
    ? { namespace: home, row: homeRow, process }
    : { namespace: -1, row: unknownNamespace(row, podUid, containerId), process };
}

/**
 * The uid of the pod that a socket belongs to; empty if none. In the node's own namespace that is its holder's
 * pod; elsewhere the namespace's, since a service mesh's proxy holds sockets in the namespaces of other pods.
 */
function podUidOf(namespace: NamespaceRow, process: ProcessInfo | null): string {
  if (namespace.host) return process?.podUid ?? "";
  return namespace.podUid || (process?.podUid ?? "");
}

// The kernel puts an accepted unix socket into its client's network namespace (net/unix/af_unix.c,
// unix_stream_connect): its owner is its holder, else the sole listener on its path.
function ownerOf(model: ReadModel, slot: number): number {
  if (!isHeldByNobody(model, slot)) return slot;
  const listener = model.unixListeners.withPathOf(slot);
  return listener < 0 ? slot : listener;
}

// Whether it may have been accepted by an unknown process.
function isHeldByNobody({ sockets }: ReadModel, slot: number): boolean {
  return sockets.kind(slot) === SocketKind.end && sockets.holders(slot) === 0 && sockets.paths.has(slot);
}

// A namespace on the same node that no report names.
function unknownNamespace(row: NamespaceRow, podUid: string, containerId: string): NamespaceRow {
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
