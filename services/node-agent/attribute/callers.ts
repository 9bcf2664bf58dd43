// The processes that call connect() or listen(), as the kernel reports them at that moment. Many end before
// they are ever scanned, so their container is found by what they share with its other processes: the cgroup
// (v2) and the mount namespace.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { ProcessRecord, ProcessScan } from "../observation.ts";
import type { CgroupIdentity } from "./cgroup.ts";
import { parseCgroup } from "./cgroup.ts";
import type { ProcessTable } from "./process-table.ts";

/** A process as the kernel reports it when it calls. */
export type Caller = Omit<ProcessRecord, "exe" | "containerId" | "podUid" | "unit">;

/**
 * Maximum remembered places (a cgroup in a mount namespace): 8,192, about 2 MB. Beyond it the oldest are
 * evicted.
 */
const PLACES_MAX = 8192;

/** Names callers. */
export class Callers {
  readonly #processes: ProcessTable;
  readonly #cgroupText: (pid: number) => string;
  #scan: ProcessScan | null = null;
  #namespaceIds: ReadonlyMap<number, number> = new Map();
  // What all processes of a place have in common. It outlives them, since the event of their last connection
  // may arrive after they ended.
  readonly #places = new Map<string, CgroupIdentity>();

  readonly #fresh = new Map<number, ProcessInfo>();

  /** `cgroupText` returns the text of /proc/<pid>/cgroup; empty if the process is gone. */
  constructor(processes: ProcessTable, cgroupText: (pid: number) => string) {
    this.#processes = processes;
    this.#cgroupText = cgroupText;
  }

  /** Stores the processes and namespaces of the latest scan. */
  install(scan: ProcessScan, namespaceIds: ReadonlyMap<number, number>): void {
    this.#namespaceIds = namespaceIds;
    if (scan === this.#scan) return;
    const before = this.#scan;
    this.#scan = scan;
    const found = new Map<string, CgroupIdentity>();
    let anyNew = before === null;
    for (const record of scan.processes.values()) {
      if (record.mountNamespace === 0) continue;
      if (before?.processes.get(record.pid) !== record) anyNew = true;
    }
    if (!anyNew) return;
    for (const record of scan.processes.values()) {
      if (record.mountNamespace === 0) continue;
      const place = placeOf(record);
      const known = found.get(place);
      found.set(place, known === undefined ? identityOf(record) : common(known, record));
    }
    for (const [place, identity] of found) this.#remember(place, identity);
  }

  /**
   * Returns the process of a caller; reports name it until the next pass, and longer while it holds a socket.
   */
  of(caller: Caller): ProcessInfo {
    const known = this.#processes.known(caller.pid, caller.startTicks);
    // Another name means that it has executed another program since.
    if (known !== null && known.name === caller.name) return known;
    const record = this.#scan?.processes.get(caller.pid);
    const isScanned =
      record !== undefined && record.startTicks === caller.startTicks && record.name === caller.name;
    const process = this.#processes.of(
      isScanned ? record : { ...caller, exe: "", ...this.#identify(caller) },
      this.#namespaceIds.get(caller.namespaceInode),
    );
    this.#processes.add(process);
    this.#fresh.set(process.id, process);
    return process;
  }

  /** Returns the processes that were named since the last call. */
  takeFresh(): ProcessInfo[] {
    const fresh = [...this.#fresh.values()];
    this.#fresh.clear();
    return fresh;
  }

  #identify(caller: Caller): CgroupIdentity {
    const place = placeOf(caller);
    const known = this.#places.get(place);
    if (known !== undefined) return known;
    // If it still runs, /proc has its cgroup.
    const identity = parseCgroup(this.#cgroupText(caller.pid));
    if (identity.containerId !== "" || identity.podUid !== "") this.#remember(place, identity);
    return identity;
  }

  #remember(place: string, identity: CgroupIdentity): void {
    // The most recent is last.
    this.#places.delete(place);
    this.#places.set(place, identity);
    if (this.#places.size <= PLACES_MAX) return;
    const [oldest] = this.#places.keys();
    this.#places.delete(oldest!);
  }
}

function placeOf({ cgroup, mountNamespace }: Pick<Caller, "cgroup" | "mountNamespace">): string {
  return `${cgroup} ${mountNamespace}`;
}

function identityOf({ containerId, podUid, unit }: CgroupIdentity): CgroupIdentity {
  return { containerId, podUid, unit };
}

// On cgroup v1 every process is in the root of the v2 hierarchy: then processes of several units share a
// place.
function common(known: CgroupIdentity, record: CgroupIdentity): CgroupIdentity {
  const { containerId, podUid, unit } = known;
  if (containerId === record.containerId && podUid === record.podUid && unit === record.unit) return known;
  return {
    containerId: containerId === record.containerId ? containerId : "",
    podUid: podUid === record.podUid ? podUid : "",
    unit: unit === record.unit ? unit : "",
  };
}
