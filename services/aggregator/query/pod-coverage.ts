// Each pod's coverage: the network namespaces' accounts with the names of their owners, and the pods without
// an account because no agent read them.

import type { PodCoverage } from "../../../lib/gen/whotalks/v1/query.ts";
import { PodCoverage as PodCoverageMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import type { PodGap } from "../identity/cluster/pod-gaps.ts";
import type { View, ViewedAccount } from "../view/view.ts";

/** Why a pod counts as unread although its node's agent knows its namespace. */
const FAILED = "its network namespace could not be read in any pass";

/** Returns every account, those with the most unseen first, then by name. */
export function listPodCoverage(
  view: View,
  unread: readonly PodGap[],
  unobservable: readonly PodGap[],
): PodCoverage[] {
  const outside = new Map(unobservable.map((pod) => [pod.uid, pod]));
  const rows: PodCoverage[] = [];
  const read = new Set<string>();
  for (const account of view.accounts.all()) {
    const row = rowOf(view, account);
    read.add(row.podUid);
    // A sandbox also has a network namespace in the node's kernel, but none of the pod's sockets is in it.
    if (!outside.has(row.podUid)) rows.push(row);
  }
  for (const pod of unread) if (!read.has(pod.uid)) rows.push(gapRow(pod, "unread"));
  for (const pod of unobservable) rows.push(gapRow(pod, "unobservable"));
  return rows.toSorted(byUnseenAndName);
}

/** The pods whose namespace agents know but could not read in any pass, except pods that nobody can read. */
export function podsWithoutReading(view: View, unobservable: readonly PodGap[]): PodGap[] {
  const found: PodGap[] = [];
  const outside = new Set(unobservable.map(({ uid }) => uid));
  for (const { owner } of view.accounts.neverRead()) {
    const { podUid: uid } = owner;
    const pod = uid === "" || outside.has(uid) ? undefined : view.identity.pod(uid);
    if (pod === undefined) continue;
    const { namespace, name } = pod;
    found.push({ uid, namespace, name, node: view.nodes.at(owner.node).name, reason: FAILED });
  }
  return found;
}

function rowOf(view: View, account: ViewedAccount): PodCoverage {
  const { owner, coverage, sinceMs, everRead, endedMs } = account;
  const node = view.nodes.at(owner.node);
  const pod = owner.podUid === "" ? undefined : view.identity.pod(owner.podUid);
  const status = !everRead ? "unread" : endedMs !== Infinity ? "ended" : coverage.read ? "read" : "failed";
  return {
    namespace: pod?.namespace ?? "",
    pod: pod?.name ?? "",
    podUid: owner.podUid,
    node: node.name,
    container: owner.podUid === "" ? owner.containerId : "",
    hostNetwork: owner.host,
    networkNamespace: owner.inode,
    reader: node.coverage?.reader ?? "",
    destroyed: coverage.destroyed,
    status,
    reason: status === "unread" ? FAILED : status === "failed" ? "the last pass could not read it" : "",
    openedByKernel: account.opened,
    failedByKernel: account.failed,
    seen: account.seen,
    unseen: account.unseen,
    sinceMs: Math.round(sinceMs),
    readMicros: coverage.readMicros,
  };
}

function gapRow({ uid, namespace, name, node, reason }: PodGap, status: string): PodCoverage {
  return PodCoverageMessage.fromPartial({ namespace, pod: name, podUid: uid, node, status, reason });
}

function byUnseenAndName(a: PodCoverage, b: PodCoverage): number {
  return (
    b.unseen - a.unseen ||
    compare(a.namespace, b.namespace) ||
    compare(a.pod, b.pod) ||
    compare(a.node, b.node) ||
    compare(a.container, b.container) ||
    a.networkNamespace - b.networkNamespace
  );
}

function compare(a: string, b: string): number {
  return a < b ? -1 : a > b ? 1 : 0;
}
