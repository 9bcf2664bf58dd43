// The way in: bytes from the bus become rows in the tables. What is malformed, repeated, of another schema or out of
// turn is counted and left out; nothing that arrives can throw.

import type { DecodedReport } from "../../../lib/report-codec.ts";
import { decodeReport, ReportTableSpace } from "../../../lib/report-codec.ts";
import type { Settler } from "../join/settler.ts";
import type { Joiner } from "../join/joiner.ts";
import type { NodeRecord } from "../store/node-record.ts";
import type { Tables } from "../store/tables.ts";
import { ReportApplier } from "./apply-report.ts";
import type { Verdict } from "./sequence-gate.ts";
import { judgeReport } from "./sequence-gate.ts";

/** Bytes that a node's name has at most (a DNS subdomain, as Kubernetes has it). */
const NODE_NAME_MAX = 253;
/** Milliseconds that a report may have waited before it was published; more is absurd. */
const AGE_MAX_MS = 24 * 3600 * 1000;
/** Connections that wait to be settled at most. */
const DIRTY_MAX = 2 ** 19;
/** Boots that are remembered of each node, so that late reports of theirs are known as such. */
const PAST_BOOTS_MAX = 8;

/** What became of the reports since start. */
export interface IngestCounts {
  applied: number;
  /** Malformed, of another schema, of a node beyond the bound, absurd. */
  rejected: number;
  duplicates: number;
  /** Of an earlier run of their agent. */
  stale: number;
  /** Left aside until a keyframe comes. */
  waiting: number;
}

/** Told of each report that is applied, before its sockets are: its pods are for whoever knows pods. */
export type ReportListener = (report: DecodedReport, observedMs: number) => void;

/** Takes reports. */
export class Ingest {
  readonly counts: IngestCounts = { applied: 0, rejected: 0, duplicates: 0, stale: 0, waiting: 0 };
  readonly #space = new ReportTableSpace();
  readonly #tables: Tables;
  readonly #applier: ReportApplier;
  readonly #settler: Settler;
  readonly #listener: ReportListener;

  constructor(tables: Tables, joiner: Joiner, settler: Settler, listener: ReportListener) {
    this.#tables = tables;
    this.#applier = new ReportApplier(tables, joiner);
    this.#settler = settler;
    this.#listener = listener;
  }

  /** Rows of reports that named what was never described; since start. */
  get rowsRejected(): number {
    return this.#applier.rowsRejected;
  }

  /** Takes one report as it arrived at a time of the stream's clock. */
  take(bytes: Uint8Array, timeMs: number): void {
    const report = decodeReport(bytes, this.#space);
    if (typeof report === "string" || !isPlausible(report)) {
      this.counts.rejected++;
      return;
    }
    this.takeDecoded(report, timeMs);
  }

  /** Takes a report that is decoded already. */
  takeDecoded(report: DecodedReport, timeMs: number): void {
    const { header } = report;
    const node = this.#tables.node(header.node) ?? this.#tables.addNode(header.node);
    if (node === undefined) {
      this.counts.rejected++;
      return;
    }
    const verdict = judgeReport(node, header);
    switch (verdict.kind) {
      case "duplicate":
        this.counts.duplicates++;
        return;
      case "stale":
        this.counts.stale++;
        return;
      case "wait":
        this.#moveOn(node, report, verdict, timeMs);
        node.awaitsKeyframe = true;
        node.nextPart = 0;
        this.counts.waiting++;
        return;
      case "apply":
        this.#moveOn(node, report, verdict, timeMs);
        this.#apply(node, report, timeMs - header.ageMs, timeMs);
    }
  }

  #moveOn(
    node: NodeRecord,
    report: DecodedReport,
    verdict: Extract<Verdict, { kind: "apply" | "wait" }>,
    timeMs: number,
  ): void {
    const { header } = report;
    if (verdict.newEpoch) {
      this.#applier.beginEpoch(node, verdict.newBoot && node.bootId !== "");
      if (verdict.newBoot && node.bootId !== "") node.pastBootIds.push(node.bootId);
      if (node.pastBootIds.length > PAST_BOOTS_MAX) node.pastBootIds.shift();
      node.bootId = header.bootId;
      node.epoch = header.epoch;
      node.gaps = 0;
    }
    node.gaps += verdict.lost;
    node.sequence = header.sequence;
    node.arrivedMs = timeMs;
  }

  #apply(node: NodeRecord, report: DecodedReport, observedMs: number, timeMs: number): void {
    const { header } = report;
    if (header.keyframe && header.part === 0) {
      node.keyframe = (node.keyframe + 1) & 0xff;
      node.lost = false;
    }
    this.#listener(report, observedMs);
    this.#applier.apply(node, report, observedMs);
    const last = header.part === header.parts - 1;
    if (header.keyframe) {
      node.awaitsKeyframe = !last;
      node.nextPart = last ? 0 : header.part + 1;
    }
    node.ticks = header.ticks;
    // Left for the next tick or query, a connection of two nodes is settled once, with both ends, and not twice.
    if (this.#tables.watcher !== null || this.#tables.dirty.length >= DIRTY_MAX) this.#settler.settle(timeMs);
    if (last) node.observedMs = Math.max(node.observedMs, observedMs);
    if (header.coverage !== undefined) node.coverage = header.coverage;
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
