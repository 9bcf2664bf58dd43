// The entry point: bytes from the bus become rows in the model. Reports that are malformed, duplicate, out of
// sequence or of another schema are counted and dropped; no input can make it throw.

import type { DecodedReport } from "../../../lib/report-codec.ts";
import { decodeReport, ReportTableSpace } from "../../../lib/report-codec.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import type { ReportApplier } from "./apply-report.ts";
import type { Verdict } from "./sequence-gate.ts";
import { judgeReport } from "./sequence-gate.ts";

/** Longest name of a node, in bytes (Kubernetes: a DNS subdomain). */
const NODE_NAME_MAX = 253;
/** Milliseconds that a report may have waited before it was published; more is implausible. */
const AGE_MAX_MS = 24 * 3600 * 1000;

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
}

/** Called with each report that is applied, before its sockets are applied. */
export type ReportListener = (report: DecodedReport, observedMs: number) => void;

/** Where ingest passes reports on to. */
export interface IngestParts {
  readonly applier: ReportApplier;
  /** Called after each report that was applied, with the time of the stream's clock. */
  readonly onApplied: (timeMs: number) => void;
  readonly listener: ReportListener;
}

/** Receives reports. */
export class Ingest {
  readonly counts: IngestCounts = { applied: 0, rejected: 0, duplicates: 0, stale: 0, waiting: 0 };
  readonly #space = new ReportTableSpace();
  readonly #model: Model;
  readonly #parts: IngestParts;

  constructor(model: Model, parts: IngestParts) {
    this.#model = model;
    this.#parts = parts;
  }

  /** Processes one report that arrived at a time of the stream's clock. */
  take(bytes: Uint8Array, timeMs: number): void {
    const report = decodeReport(bytes, this.#space);
    if (typeof report === "string" || !isPlausible(report)) {
      this.counts.rejected++;
      return;
    }
    this.takeDecoded(report, timeMs);
  }

  /** Processes a report that is already decoded. */
  takeDecoded(report: DecodedReport, timeMs: number): void {
    const { header } = report;
    const node = this.#model.nodes.named(header.node) ?? this.#model.nodes.add(header.node);
    if (node === undefined) {
      this.counts.rejected++;
      return;
    }
    const verdict = judgeReport(node.stream, header);
    switch (verdict.kind) {
      case "duplicate":
        this.counts.duplicates++;
        return;
      case "stale":
        this.counts.stale++;
        return;
      case "wait":
        this.#moveOn(node, report, verdict, timeMs);
        node.stream.awaitKeyframe();
        this.counts.waiting++;
        return;
      case "apply":
        this.#moveOn(node, report, verdict, timeMs);
        this.#apply(node, report, timeMs);
    }
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
    if (header.keyframe && header.part === 0) {
      node.stream.beginKeyframe();
      node.recover();
    }
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
