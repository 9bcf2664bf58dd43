// The processes that reports name. Each keeps its id, and its object while nothing about it changes, so that
// a delta finds changes by identity.

import type { ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import { IdPool } from "../ids/id-pool.ts";
import type { ProcessRecord } from "../observation.ts";

/** Maximum processes with sockets on one node (the kernel's pid_max is 2^22). */
const PROCESSES_MAX = 2 ** 22;

/** The fields of ProcessInfo that come from a record. */
type DescribedProcess = Omit<ProcessRecord, "namespaceInode" | "cgroup" | "mountNamespace">;

/** Ids of processes. */
export class ProcessTable {
  readonly #pool = new IdPool(1, PROCESSES_MAX);
  readonly #byPid = new Map<number, ProcessInfo>();
  #named = new Map<number, ProcessInfo>();

  /** Every process that reports name now, by id. */
  get named(): ReadonlyMap<number, ProcessInfo> {
    return this.#named;
  }

  /**
   * Returns the process of a record. `namespaceId` is the id of its network namespace; undefined if it has
   * none.
   */
  of(record: DescribedProcess, namespaceId: number | undefined): ProcessInfo {
    const known = this.#byPid.get(record.pid);
    const isSame = known !== undefined && known.startTicks === record.startTicks;
    const namespace = namespaceId === undefined ? 0 : namespaceId + 1;
    if (isSame && describes(known, record, namespace)) return known;
    const process: ProcessInfo = {
      id: isSame ? known.id : this.#pool.take(),
      pid: record.pid,
      startTicks: record.startTicks,
      name: record.name,
      exe: record.exe,
      uid: record.uid,
      namespace,
      containerId: record.containerId,
      podUid: record.podUid,
      unit: record.unit,
      parentPid: record.parentPid,
    };
    this.#byPid.set(record.pid, process);
    return process;
  }

  /** Returns the process with this pid and start if reports already name it, else null. */
  known(pid: number, startTicks: number): ProcessInfo | null {
    const known = this.#byPid.get(pid);
    return known !== undefined && known.startTicks === startTicks && this.#named.has(known.id) ? known : null;
  }

  /** Adds a named process until the next keepOnly(). */
  add(process: ProcessInfo): void {
    this.#named.set(process.id, process);
  }

  /** Replaces the named processes; the ids of the others become free with the next call. */
  keepOnly(processes: Map<number, ProcessInfo>): void {
    // A process whose pid was reused is only among those named before.
    for (const [id, process] of this.#named) {
      if (processes.has(id)) continue;
      this.#pool.giveBack(id);
      if (this.#byPid.get(process.pid)?.id === id) this.#byPid.delete(process.pid);
    }
    this.#named = processes;
    this.#pool.settle();
  }
}

function describes(known: ProcessInfo, record: DescribedProcess, namespace: number): boolean {
  return (
    known.name === record.name &&
    known.exe === record.exe &&
    known.uid === record.uid &&
    known.namespace === namespace &&
    known.containerId === record.containerId &&
    known.podUid === record.podUid &&
    known.unit === record.unit &&
    known.parentPid === record.parentPid
  );
}
