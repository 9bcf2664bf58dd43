// All flows of a node: those of its own network namespace, and those of each pod's that has a conntrack table
// with entries in it (a sidecar's redirection, a container engine in a pod). Ids are the node's: one pool for
// all tables.
//
// Nothing stays open in a pod's namespace: its table is dumped by a socket that lives as long as the dump.

import { existsSync } from "node:fs";
import path from "node:path";

import { FLOW_ROWS_MAX } from "../../../lib/gen/tables/flow-columns.ts";
import type { FlowChanges, FlowNamespace, FlowReader } from "../observation.ts";
import { inodeOfLink } from "../processes/namespace-link.ts";
import type { ConntrackChoice, ConntrackMode } from "../../../lib/vocabulary/conntrack-choices.ts";
import { countEntries } from "./entry-count.ts";
import { FlowSource } from "./flow-source.ts";
import { createFlowIds, noFlowChanges } from "./flow-tracker.ts";

/**
 * Milliseconds between two looks for namespaces that have entries: 20 µs each, 0.04 % of a core for 200 of
 * them.
 */
const LOOK_MS = 10_000;

/** Flows of one pod's namespace at most (9 MB); what overflows is counted. */
const POD_FLOWS_MAX = 2 ** 16;

/** Rows of a table of changes that is kept from report to report: 2.3 MB. */
const ROWS_KEPT = 2 ** 14;

/** How a node's flows are read. */
interface NodeFlowsOptions {
  /** Mount point of the proc filesystem. */
  readonly procRoot: string;
  readonly choice: ConntrackChoice;
  /** Milliseconds of a clock that never goes back, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
}

/** The flows of a node. */
export class NodeFlows implements FlowReader {
  readonly #options: NodeFlowsOptions;
  readonly #ids = createFlowIds();
  readonly #own: FlowSource;
  readonly #ownInode: number;
  #ownId: number | null = null;
  readonly #pods = new Map<number, { readonly inode: number; readonly source: FlowSource }>();
  #nextLookMs = 0;
  #gone: number[] = [];
  #changes = noFlowChanges();
  // What sources that have ended counted.
  #malformedBefore = 0;
  #overflowedBefore = 0;

  constructor(options: NodeFlowsOptions) {
    const { procRoot, choice, elapsedMs } = options;
    this.#options = options;
    const directory = ownDirectory(procRoot);
    this.#ownInode = inodeOfLink(path.join(directory, "ns/net"));
    this.#own = new FlowSource({
      directory,
      inode: 0,
      choice,
      listens: true,
      ids: this.#ids,
      rowsMax: FLOW_ROWS_MAX,
      elapsedMs,
    });
  }

  /** How the flows of the node's own namespace are read. */
  get mode(): ConntrackMode {
    return this.#own.mode;
  }

  /** Flows that are there now. */
  get size(): number {
    return this.#sum((source) => source.size);
  }

  /** Pods' namespaces whose flows are read. */
  get pods(): number {
    return this.#pods.size;
  }

  /** Messages and lines that made no sense, since start. */
  get malformed(): number {
    return this.#malformedBefore + this.#sum((source) => source.malformed);
  }

  /** Flows that found no place, since start. */
  get overflowed(): number {
    return this.#overflowedBefore + this.#sum((source) => source.overflowed);
  }

  /** Events received, since start. */
  get events(): number {
    return this.#own.events;
  }

  /** Times that the kernel had to drop events, since start. */
  get overruns(): number {
    return this.#own.overruns;
  }

  /** What stands in the way of seeing every flow, as sentences that say what to do. */
  limits(): readonly string[] {
    const reasons = new Map<string, number>();
    for (const { source } of this.#pods.values())
      for (const limit of source.limits()) reasons.set(limit, (reasons.get(limit) ?? 0) + 1);
    const pods = [...reasons].map(
      ([reason, count]) => `in ${count} network namespaces that may have flows of their own, ${reason}`,
    );
    return [...this.#own.limits(), ...pods];
  }

  /** Brings the flows up to date; the namespaces are those of this pass. Never rejects. */
  async refresh(namespaces: readonly FlowNamespace[]): Promise<void> {
    this.#ownId = namespaces.find((each) => this.#isOwn(each))?.id ?? null;
    await this.#own.refresh();
    if (this.#options.choice === "none") return;
    this.#follow(namespaces);
    const nowMs = this.#options.elapsedMs();
    if (nowMs >= this.#nextLookMs) {
      this.#look(namespaces);
      this.#nextLookMs = nowMs + LOOK_MS;
    }
    for (const { source } of this.#pods.values()) {
      source.sideBySide = this.#pods.size;
      await source.refresh();
    }
  }

  /** What changed since the last call, or everything; the tables are used again by the next call. */
  take(everything: boolean): FlowChanges {
    const changes = this.#emptyChanges();
    // Flows are told with the namespace that they were read in: without it they could not be placed.
    if (this.#ownId !== null) this.#own.take(this.#ownId, everything, changes);
    for (const [id, { source }] of this.#pods) source.take(id, everything, changes);
    if (!everything) for (const id of this.#gone) changes.removed.push(id);
    this.#gone = [];
    this.#ids.settle();
    return changes;
  }

  // Tables of a usual size are kept: growing new ones for each report would cost more than filling them.
  #emptyChanges(): FlowChanges {
    const { added, changed, removed } = this.#changes;
    if (Math.max(added.capacity, changed.capacity) > ROWS_KEPT) this.#changes = noFlowChanges();
    else added.length = changed.length = removed.length = 0;
    return this.#changes;
  }

  /** Ends the reading. */
  close(): void {
    this.#own.close();
    for (const { source } of this.#pods.values()) source.close();
  }

  // Namespaces that are gone, and processes that stand for theirs now.
  #follow(namespaces: readonly FlowNamespace[]): void {
    if (this.#pods.size === 0) return;
    const records = new Map(namespaces.map(({ id, record }) => [id, record]));
    for (const [id, { inode, source }] of this.#pods) {
      const record = records.get(id);
      if (record?.inode === inode) source.directory = this.#directoryOf(record.pids[0]!);
      else this.#end(id, source);
    }
  }

  #look(namespaces: readonly FlowNamespace[]): void {
    for (const namespace of namespaces) {
      const { id, record } = namespace;
      if (record.inode === 0 || record.pids.length === 0 || this.#isOwn(namespace)) continue;
      const directory = this.#directoryOf(record.pids[0]!);
      const pod = this.#pods.get(id);
      const entries = countEntries(directory);
      if (pod !== undefined) {
        if (pod.source.size === 0 && entries === 0) this.#end(id, pod.source);
        continue;
      }
      // A kernel without the file (NF_CONNTRACK_PROCFS) tells by an answer to a dump, which costs little more.
      if (entries !== 0)
        this.#pods.set(id, { inode: record.inode, source: this.#sourceOf(record.inode, directory) });
    }
  }

  #sourceOf(inode: number, directory: string): FlowSource {
    const { choice, elapsedMs } = this.#options;
    return new FlowSource({
      directory,
      inode,
      choice,
      listens: false,
      ids: this.#ids,
      rowsMax: POD_FLOWS_MAX,
      elapsedMs,
    });
  }

  #end(id: number, source: FlowSource): void {
    source.end(this.#gone);
    this.#malformedBefore += source.malformed;
    this.#overflowedBefore += source.overflowed;
    this.#pods.delete(id);
  }

  #isOwn({ record }: FlowNamespace): boolean {
    return this.#ownInode === 0 ? record.host : record.inode === this.#ownInode;
  }

  #directoryOf(pid: number): string {
    return path.join(this.#options.procRoot, String(pid));
  }

  #sum(figure: (source: FlowSource) => number): number {
    let sum = figure(this.#own);
    for (const { source } of this.#pods.values()) sum += figure(source);
    return sum;
  }
}

// Where pid 1 cannot be looked at (a security module), our own namespace is what is left.
function ownDirectory(procRoot: string): string {
  const directory = path.join(procRoot, "1");
  return inodeOfLink(path.join(directory, "ns/net")) !== 0 || !existsSync(path.join(procRoot, "self/ns/net"))
    ? directory
    : "/proc/self";
}
