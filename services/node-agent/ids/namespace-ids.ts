// Assigns each network namespace of a pass a small id that lasts as long as the namespace. The kernel reuses
// inode numbers of namespaces at once, so a number that reappears with another pod or container, and with none
// of its former processes, is a new namespace. A change of the processes while a pod starts or ends does not
// make it a new one.

import type { NetworkNamespace } from "../../../lib/gen/whotalks/v1/report.ts";
import type { NamespaceOwner, NamespaceRecord, ProcessScan } from "../observation.ts";
import { IdPool } from "./id-pool.ts";

/** Maximum network namespaces of one node: ids have 16 bits. */
const NAMESPACES_MAX = 2 ** 16 - 1;

/** A namespace of this pass: its identity, and where to read it. */
export interface IdentifiedNamespace {
  readonly namespace: NetworkNamespace;
  readonly record: NamespaceRecord;
  /** Its last process has exited: it is listed once more, for what happened in it. */
  readonly gone: boolean;
}

/** Keeps the ids of namespaces from pass to pass. */
export class NamespaceIds {
  readonly #pool = new IdPool(0, NAMESPACES_MAX);
  #known = new Map<number, NetworkNamespace>();
  // Cookies of the previous pass, by inode.
  #cookies: ReadonlyMap<number, number> = new Map();
  // Processes of each namespace in the previous pass, by inode.
  #pids = new Map<number, readonly number[]>();

  /**
   * Returns the namespaces of a pass with their ids, without those beyond NAMESPACES_MAX (the caller counts
   * them). `wanted` are inodes of namespaces to list even if they came and went since the previous pass;
   * `owners` has their owners.
   */
  identify(
    scan: ProcessScan,
    wanted: Iterable<number> = [],
    owners: ReadonlyMap<number, NamespaceOwner> = new Map(),
  ): IdentifiedNamespace[] {
    const identified: IdentifiedNamespace[] = [];
    const known = new Map<number, NetworkNamespace>();
    const pids = new Map<number, readonly number[]>();
    const cookies = new Map<number, number>();
    // If pid 1 is not visible (a saved tree of some processes), any namespace may be the node's own.
    const hostIsKnown = scan.namespaces.some(({ host }) => host);
    for (const record of scan.namespaces) {
      const owner = hostIsKnown && !record.host ? ownerOf(record, scan) : nobody;
      const before = this.#known.get(record.inode);
      const same = before !== undefined && this.#isSame(before, record, owner);
      if (!same && this.#pool.exhausted) continue;
      const namespace = same
        ? withOwner(before, owner)
        : { id: this.#pool.take(), inode: record.inode, host: record.host, ...owner, addresses: [] };
      known.set(record.inode, namespace);
      pids.set(record.inode, record.pids);
      if (record.cookie !== undefined) cookies.set(record.inode, record.cookie);
      identified.push({ namespace, record, gone: false });
    }
    for (const inode of wanted) {
      if (known.has(inode) || inode === 0) continue;
      const before = this.#known.get(inode);
      if (before === undefined && this.#pool.exhausted) continue;
      const owner = owners.get(inode) ?? nobody;
      const namespace = before ?? { id: this.#pool.take(), inode, host: false, ...owner, addresses: [] };
      known.set(inode, namespace);
      identified.push({ namespace, record: { inode, host: false, pids: [] }, gone: true });
    }
    for (const [inode, namespace] of this.#known) {
      if (known.get(inode)?.id !== namespace.id) this.#pool.giveBack(namespace.id);
    }
    this.#known = known;
    this.#cookies = cookies;
    this.#pids = pids;
    this.#pool.settle();
    return identified;
  }

  #isSame(
    before: NetworkNamespace,
    { inode, cookie, pids }: NamespaceRecord,
    owner: NamespaceOwner,
  ): boolean {
    const cookieBefore = this.#cookies.get(inode);
    if (cookie !== undefined && cookieBefore !== undefined) return cookie === cookieBefore;
    if (before.podUid === owner.podUid && before.containerId === owner.containerId) return true;
    if (before.podUid !== "" && owner.podUid !== "") return before.podUid === owner.podUid;
    const others = this.#pids.get(inode) ?? [];
    return pids.some((pid) => others.includes(pid));
  }

  /** Returns the namespace with the addresses from its tables; the same object if they did not change. */
  withAddresses(namespace: NetworkNamespace, addresses: readonly Uint8Array[]): NetworkNamespace {
    const before = namespace.addresses;
    const same =
      before.length === addresses.length &&
      before.every((address, i) => Buffer.compare(address, addresses[i]!) === 0);
    if (same) return namespace;
    const changed = { ...namespace, addresses: [...addresses] };
    this.#known.set(namespace.inode, changed);
    return changed;
  }
}

// A known pod wins over mixed processes: while a pod starts, its namespace also has processes of the runtime.
function withOwner(before: NetworkNamespace, { podUid, containerId }: NamespaceOwner): NetworkNamespace {
  const uid = podUid === "" ? before.podUid : podUid;
  if (uid === before.podUid && containerId === before.containerId) return before;
  return { ...before, podUid: uid, containerId };
}

// The node's own namespace has no owner, even if pods share it.
const nobody = { podUid: "", containerId: "" };

/**
 * Returns the owner of a namespace other than the node's own: the pod or container that all its processes
 * agree on.
 */
export function ownerOf(record: NamespaceRecord, scan: ProcessScan): NamespaceOwner {
  const podUids = new Set<string>();
  const containerIds = new Set<string>();
  for (const pid of record.pids) {
    const process = scan.processes.get(pid);
    if (process === undefined) continue;
    podUids.add(process.podUid);
    containerIds.add(process.containerId);
  }
  return { podUid: only(podUids), containerId: only(containerIds) };
}

function only(values: ReadonlySet<string>): string {
  const [value] = values;
  return values.size === 1 && value !== undefined ? value : "";
}
