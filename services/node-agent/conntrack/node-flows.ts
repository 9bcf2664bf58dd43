// Reads all flows of a node: those of its own network namespace, and those of each pod's namespace whose
// conntrack table has entries (a sidecar's redirection, a container engine in a pod). All tables share the
// node's pool of ids.
//
// Nothing stays open in a pod's namespace: the socket that dumps its table is closed after the dump.

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
 * Milliseconds between two checks for namespaces with entries; one without is checked less and less often, as
 * one that had none for minutes rarely gets any: at 80 µs each, 0.03 % of a core for 200 namespaces.
 */
const LOOK_MS = 10_000;
const EMPTY_LOOK_MS_MAX = 60_000;

/** Maximum flows of one pod's namespace (9 MB); further ones are counted. */
const POD_FLOWS_MAX = 2 ** 16;

/** Maximum rows of a change table that is reused for the next report: 2.3 MB. */
const ROWS_KEPT = 2 ** 14;

/** Options of the node's flows. */
interface NodeFlowsOptions {
  /** Mount point of the proc filesystem. */
  readonly procRoot: string;
  readonly choice: ConntrackChoice;
  /** Milliseconds of a monotonic clock, 0 at the epoch's start. */
  readonly elapsedMs: () => number;
}

/** Reads the flows of a node. */
export class NodeFlows implements FlowReader {
  readonly #options: NodeFlowsOptions;
  readonly #ids = createFlowIds();
  readonly #own: FlowSource;
  readonly #ownInode: number;
  #ownId: number | null = null;
  readonly #pods = new Map<number, { readonly inode: number; readonly source: FlowSource }>();
  #nextLookMs = 0;
  // Namespaces without entries by their ids: when they are due to be checked again.
  #empty = new Map<number, { readonly untilMs: number; readonly waitMs: number }>();
  #gone: number[] = [];
  #changes = noFlowChanges();
  // Counts of sources that have ended.
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

  /** Flows that exist now. */
  get size(): number {
    return this.#sum((source) => source.size);
  }

  /** Number of pods' namespaces whose flows are read. */
  get pods(): number {
    return this.#pods.size;
  }

  /** Malformed messages and lines, since start. */
  get malformed(): number {
    return this.#malformedBefore + this.#sum((source) => source.malformed);
  }

  /** Flows that did not fit, since start. */
  get overflowed(): number {
    return this.#overflowedBefore + this.#sum((source) => source.overflowed);
  }

  /** Events received, since start. */
  get events(): number {
    return this.#own.events;
  }

  /** How often the kernel dropped events, since start. */
  get overruns(): number {
    return this.#own.overruns;
  }

  /** What prevents seeing every flow, as sentences that say what to do. */
  limits(): readonly string[] {
    const reasons = new Map<string, number>();
    for (const { source } of this.#pods.values())
      for (const limit of source.limits()) reasons.set(limit, (reasons.get(limit) ?? 0) + 1);
    const pods = [...reasons].map(
      ([reason, count]) => `in ${count} network namespaces that may have their own flows, ${reason}`,
    );
    return [...this.#own.limits(), ...pods];
  }

  /** Updates the flows; `namespaces` are those of this pass. Never rejects. */
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
      source.pace.sideBySide = this.#pods.size;
      await source.refresh();
    }
  }

  /** Returns what changed since the last call, or all flows; the next call reuses the tables. */
  take(everything: boolean): FlowChanges {
    const changes = this.#emptyChanges();
    // Flows are reported with the namespace they were read in; without it they cannot be attributed.
    if (this.#ownId !== null) this.#own.take(this.#ownId, everything, changes);
    for (const [id, { source }] of this.#pods) source.take(id, everything, changes);
    if (!everything) for (const id of this.#gone) changes.removed.push(id);
    this.#gone = [];
    this.#ids.settle();
    return changes;
  }

  // Reuses tables of the usual size: growing new ones for each report would cost more than filling them.
  #emptyChanges(): FlowChanges {
    const { added, changed, removed } = this.#changes;
    if (Math.max(added.capacity, changed.capacity) > ROWS_KEPT) this.#changes = noFlowChanges();
    else added.length = changed.length = removed.length = 0;
    return this.#changes;
  }

  /** Stops reading. */
  close(): void {
    this.#own.close();
    for (const { source } of this.#pods.values()) source.close();
  }

  // Ends the sources of namespaces that are gone; updates the representative process of the others.
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
    const nowMs = this.#options.elapsedMs();
    const emptyBefore = this.#empty;
    this.#empty = new Map();
    for (const namespace of namespaces) {
      const { id, record } = namespace;
      if (record.inode === 0 || record.pids.length === 0 || this.#isOwn(namespace)) continue;
      const before = emptyBefore.get(id);
      if (before !== undefined && nowMs < before.untilMs) {
        this.#empty.set(id, before);
        continue;
      }
      const directory = this.#directoryOf(record.pids[0]!);
      const pod = this.#pods.get(id);
      const entries = countEntries(directory);
      if (pod !== undefined) {
        if (pod.source.size === 0 && entries === 0) this.#end(id, pod.source);
        continue;
      }
      // Without the statistics file (NF_CONNTRACK_PROCFS) only a dump shows if there are entries; it costs
      // little more.
      if (entries !== 0) {
        this.#pods.set(id, { inode: record.inode, source: this.#sourceOf(record.inode, directory) });
        continue;
      }
      const waitMs = before === undefined ? LOOK_MS : Math.min(EMPTY_LOOK_MS_MAX, 2 * before.waitMs);
      this.#empty.set(id, { untilMs: nowMs + waitMs, waitMs });
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

// If pid 1's namespace cannot be read (a security module), read our own namespace instead.
function ownDirectory(procRoot: string): string {
  const directory = path.join(procRoot, "1");
  return inodeOfLink(path.join(directory, "ns/net")) !== 0 || !existsSync(path.join(procRoot, "self/ns/net"))
    ? directory
    : "/proc/self";
}
