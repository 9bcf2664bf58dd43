// The entry point: bytes from the bus become rows in the model. Reports that are malformed, duplicate, out of
// sequence or of another schema are counted and dropped; no input can make it throw.

import type { DecodedReport } from "../../../lib/report-codec.ts";
import { decodeReport, ReportTableSpace } from "../../../lib/report-codec.ts";
import { TICK_MS } from "../../../lib/ticks.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import type { ReportApplier } from "./apply-report.ts";
import { RivalRuns } from "./rival-runs.ts";
import type { Verdict } from "./sequence-gate.ts";
import { judgeReport } from "./sequence-gate.ts";

/** Longest name of a node, in bytes (Kubernetes: a DNS subdomain). */
const NODE_NAME_MAX = 253;
/** Milliseconds that a report may have waited before it was published; more is implausible. */
const AGE_MAX_MS = 24 * 3600 * 1000;
/** How old a report may be, in milliseconds, to be of the present and not of a replay. */
const PRESENT_MS = 60_000;
/** Nodes that the cluster does not have whose names are kept. */
const STRANGERS_MAX = 20;

/** What happened to reports since start. */
export interface IngestCounts {
  applied: number;
  /** Malformed, of another schema, of a node beyond the limit, implausible. */
  rejected: number;
  duplicates: number;
  /** From an earlier run of their agent. */
  stale: number;
  /** Dropped because a keyframe must come first. */
  waiting: number;
  /** In the name of a node that the cluster does not have. */
  strange: number;
}

/** Called with each report that is applied, before its sockets are applied. */
export type ReportListener = (report: DecodedReport, observedMs: number) => void;

/** Where ingest passes reports on to. */
export interface IngestParts {
  readonly applier: ReportApplier;
  /** Called after each report that was applied, with the time of the stream's clock. */
  readonly onApplied: (timeMs: number) => void;
  readonly listener: ReportListener;
  /** Whether the cluster has, or had, a node with this name; true where that is not known. */
  readonly isNode: (name: string) => boolean;
  /** The stream's clock, milliseconds since 1970. */
  readonly now: () => number;
}

/** Receives reports. */
export class Ingest {
  readonly counts: IngestCounts = {
    applied: 0,
    rejected: 0,
    duplicates: 0,
    stale: 0,
    waiting: 0,
    strange: 0,
  };
  readonly #space = new ReportTableSpace();
  readonly #model: Model;
  readonly #parts: IngestParts;
  readonly #rivals = new RivalRuns();
  readonly #strangers = new Set<string>();

  constructor(model: Model, parts: IngestParts) {
    this.#model = model;
    this.#parts = parts;
  }

  /** Names of nodes that the cluster does not have and in whose name reports came, the first ones. */
  get strangers(): readonly string[] {
    return [...this.#strangers];
  }

  /**
   * Processes one report that arrived at a time of the stream's clock, and those that were held until then.
   */
  take(bytes: Uint8Array, timeMs: number): void {
    this.release(timeMs);
    this.#take(bytes, timeMs, (node) => this.#rivals.holds(node, bytes, timeMs));
  }

  /** Processes the reports that were held until a time of the stream's clock. */
  release(nowMs: number): void {
    this.#rivals.release(nowMs, (bytes, timeMs) => this.#take(bytes, timeMs, () => false));
  }

  #take(bytes: Uint8Array, timeMs: number, holds: (node: NodeRecord) => boolean): void {
    const report = decodeReport(bytes, this.#space);
    if (typeof report === "string" || !isPlausible(report)) {
      this.counts.rejected++;
      return;
    }
    const { header } = report;
    if (this.#isStrange(header.node, timeMs)) {
      this.#refuseStranger(header.node);
      return;
    }
    const node = this.#model.nodes.named(header.node) ?? this.#model.nodes.add(header.node);
    if (node === undefined) {
      this.counts.rejected++;
      return;
    }
    const verdict = judgeReport(node.stream, header);
    const begins = (verdict.kind === "apply" || verdict.kind === "wait") && verdict.newEpoch;
    if (begins && node.stream.bootId !== "") {
      if (holds(node)) return;
    } else {
      this.#rivals.heard(node, header, timeMs);
    }
    switch (verdict.kind) {
      case "duplicate":
        this.counts.duplicates++;
        return;
      case "stale":
        this.counts.stale++;
        return;
      case "wait":
        this.#moveOn(node, report, verdict, timeMs);
        node.missKeyframe();
        this.counts.waiting++;
        return;
      case "apply":
        this.#moveOn(node, report, verdict, timeMs);
        this.#apply(node, report, timeMs);
    }
  }

  // A node that the cluster has no more may have reports in the stream's past.
  #isStrange(name: string, timeMs: number): boolean {
    return this.#parts.now() - timeMs < PRESENT_MS && !this.#parts.isNode(name);
  }

  #refuseStranger(name: string): void {
    this.counts.strange++;
    if (this.#strangers.size < STRANGERS_MAX) this.#strangers.add(name);
  }

  #moveOn(
    node: NodeRecord,
    { header }: DecodedReport,
    verdict: Extract<Verdict, { kind: "apply" | "wait" }>,
    timeMs: number,
  ): void {
    const rebooted = verdict.newBoot && node.stream.bootId !== "";
    if (verdict.newEpoch) this.#parts.applier.beginEpoch(node, rebooted);
    node.stream.moveTo(header, verdict, timeMs);
  }

  #apply(node: NodeRecord, report: DecodedReport, timeMs: number): void {
    const { header } = report;
    const observedMs = timeMs - header.ageMs;
    if (node.lost) {
      this.#parts.applier.recover(node);
      node.recover();
    }
    if (header.keyframe && header.part === 0) node.beginKeyframe(observedMs);
    node.times.begin(observedMs - header.ticks * TICK_MS);
    this.#parts.listener(report, observedMs);
    this.#parts.applier.apply(node, report, observedMs);
    if (header.keyframe) node.stream.endKeyframePart(header);
    this.#parts.onApplied(timeMs);
    const complete = header.part === header.parts - 1;
    node.observe({ ticks: header.ticks, observedMs, complete, coverage: header.coverage });
    this.counts.applied++;
  }
}

function isPlausible({ header }: DecodedReport): boolean {
  return (
    header.node !== "" &&
    header.node.length <= NODE_NAME_MAX &&
    header.sequence >= 1 &&
    header.parts >= 1 &&
    header.part < header.parts &&
    header.ageMs <= AGE_MAX_MS
  );
}
