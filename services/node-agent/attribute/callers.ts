// The processes that call connect() or listen(), as the kernel names them at that moment. Most have ended or
// were never scanned by the time that anyone looks, so their container is found by what they share with its
// other processes: the cgroup (v2) and the mount namespace.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { ProcessRecord, ProcessScan } from "../observation.ts";
import type { CgroupIdentity } from "./cgroup.ts";
import { parseCgroup } from "./cgroup.ts";
import type { ProcessTable } from "./process-table.ts";

/** A process as the kernel reports it when it calls. */
export type Caller = Omit<ProcessRecord, "exe" | "containerId" | "podUid" | "unit">;

/**
 * Places (a cgroup in a mount namespace) that are remembered at most: 8,192, about 2 MB. Beyond, the oldest
 * go.
 */
const PLACES_MAX = 8192;

/** Names callers. */
export class Callers {
  readonly #processes: ProcessTable;
  readonly #cgroupText: (pid: number) => string;
  #scan: ProcessScan | null = null;
  #namespaceIds: ReadonlyMap<number, number> = new Map();
  // What all processes of a place have in common; outlives them, as the last connection may be heard of after
  // they ended.
  readonly #places = new Map<string, CgroupIdentity>();

  readonly #fresh = new Map<number, ProcessInfo>();

  /** `cgroupText` returns the text of /proc/<pid>/cgroup; empty if the process is gone. */
  constructor(processes: ProcessTable, cgroupText: (pid: number) => string) {
    this.#processes = processes;
    this.#cgroupText = cgroupText;
  }

  /** Takes the processes and the namespaces of the latest scan. */
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

  /** The process of a caller; reports name it until the next pass, and longer if a socket of its own lives. */
  of(caller: Caller): ProcessInfo {
    const known = this.#processes.known(caller.pid, caller.startTicks);
    // By another name it is another program since execve().
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

  /** Processes that were named since the last call. */
  takeFresh(): ProcessInfo[] {
    const fresh = [...this.#fresh.values()];
    this.#fresh.clear();
    return fresh;
  }

  #identify(caller: Caller): CgroupIdentity {
    const place = placeOf(caller);
    const known = this.#places.get(place);
    if (known !== undefined) return known;
    // If it still runs, /proc says where.
    const identity = parseCgroup(this.#cgroupText(caller.pid));
    if (identity.containerId !== "" || identity.podUid !== "") this.#remember(place, identity);
    return identity;
  }

  #remember(place: string, identity: CgroupIdentity): void {
    // The youngest is last.
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
