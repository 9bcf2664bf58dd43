// Applies reports to the model, part by part as they arrive: namespaces and processes first; then ended
// sockets, so that a port that was reused within the pass is not mistaken for the earlier socket; then the
// sockets and flows that exist. A keyframe's last part removes what the keyframe did not name.

import type { DecodedReport } from "../../../lib/report-codec.ts";
import type { SocketTable as ReportSockets } from "../../../lib/socket-table.ts";
import type { Connector } from "../apply/connector.ts";
import type { FlowLife } from "../apply/flow-life.ts";
import type { News } from "../apply/news.ts";
import type { SocketLife } from "../apply/socket-life.ts";
import type { Model } from "../model/model.ts";
import type { NodeRecord } from "../model/nodes/node-record.ts";
import { TICK_MS } from "../../../lib/ticks.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";
import { TIME_WAIT_MS, Timer } from "../../../lib/vocabulary/timers.ts";
import { SocketKind } from "../model/sockets/socket-rows.ts";
import { NamespaceIntake } from "./namespace-intake.ts";
import { ProcessIntake } from "./process-intake.ts";
import { Rejections } from "./rejections.ts";
import { SocketIntake } from "./socket-intake.ts";

/** The writers that reports are applied through. */
export interface ApplierParts {
  readonly connector: Connector;
  readonly sockets: SocketLife;
  readonly flows: FlowLife;
  readonly news: News;
}

/** Applies reports that passed the sequence gate. */
export class ReportApplier {
  readonly #rejections = new Rejections();
  readonly #model: Model;
  readonly #life: SocketLife;
  readonly #flows: FlowLife;
  readonly #namespaces: NamespaceIntake;
  readonly #processes: ProcessIntake;
  readonly #sockets: SocketIntake;
  // The sighting of the current row: one reused object.
  readonly #sighting = { namespace: -1, sinceMs: 0, birthMs: 0, timeWaitMs: Number.NaN };

  constructor(model: Model, { connector, sockets, flows, news }: ApplierParts) {
    this.#model = model;
    this.#life = sockets;
    this.#flows = flows;
    const rejections = this.#rejections;
    this.#namespaces = new NamespaceIntake(model, news, rejections);
    this.#processes = new ProcessIntake(model, { connector, news, rejections });
    this.#sockets = new SocketIntake(model, sockets);
  }

  /**
   * Rejected rows since start: they referred to something that their report never described, or had invalid
   * values.
   */
  get rowsRejected(): number {
    return this.#rejections.count;
  }

  /** Applies a report (or one part of it) that was observed at a time of the stream's clock. */
  apply(node: NodeRecord, report: DecodedReport, observedMs: number): void {
    const { header } = report;
    for (const namespace of header.namespaces) this.#namespaces.put(node, namespace);
    for (const process of header.processes) this.#processes.put(node, process);
    if (report.changes !== null) this.#changeSockets(node, report, report.changes, observedMs);
    this.#putFamilySockets(node, report, observedMs);
    const removed = new Set(report.socketsRemoved);
    if (removed.size > 0) this.#removeSockets(node, report, removed, observedMs);
    if (report.sockets !== null) this.#putSockets(node, report, removed, observedMs);
    if (report.holders !== null) this.#processes.putHolders(node, report.holders, removed);
    this.#applyFlows(node, report, observedMs);
    for (const id of report.holdersCleared) this.#processes.clearHolders(node, id);
    for (const id of header.processesRemoved) this.#processes.remove(node, id);
    for (const account of header.namespaceCoverage)
      this.#namespaces.putAccount(node, account, Math.max(0, header.ticks - account.since), observedMs);
    for (const id of header.namespacesRemoved) this.#namespaces.remove(node, id);
    if (header.keyframe && header.part === header.parts - 1) this.#removeUnnamed(node);
  }

  /**
   * Begins a new run of the agent: its earlier ids are invalid. The sockets stay until its first keyframe has
   * named those that still exist; none survives a reboot.
   */
  beginEpoch(node: NodeRecord, rebooted: boolean): void {
    const { ids } = node;
    if (rebooted) this.#retireAll(ids.sockets.slots());
    else ids.unnamedSockets = [...ids.unnamedSockets, ...ids.sockets.slots()];
    ids.sockets.clear();
    node.beginRun();
    if (rebooted) this.#flows.removeAll(node);
    else this.#flows.beginEpoch(node);
    this.#processes.beginEpoch(node);
    this.#namespaces.beginEpoch(node, rebooted);
  }

  /** Continues what a lost node had, since its agent goes on where it was. */
  recover(node: NodeRecord): void {
    this.#life.recover(node);
  }

  // Sockets that ended within the pass, one by one: several may have had the same tuple in sequence.
  #removeSockets(
    node: NodeRecord,
    report: DecodedReport,
    removed: ReadonlySet<number>,
    observedMs: number,
  ): void {
    const { sockets, holders } = report;
    const starts = holders === null ? new Map<number, number>() : this.#processes.startsOf(holders, removed);
    for (let row = 0; row < (sockets?.length ?? 0); row++) {
      const id = sockets!.id[row]!;
      if (!removed.has(id) || !this.#putSocket(node, report, sockets!, row, observedMs)) continue;
      const start = starts.get(id);
      if (start !== undefined) this.#processes.putHoldersAt(node, holders!, start);
      starts.delete(id);
      this.#removeSocket(node, id);
    }
    for (const start of starts.values()) this.#processes.putHoldersAt(node, holders!, start);
    for (const id of removed) this.#removeSocket(node, id);
  }

  #putSockets(
    node: NodeRecord,
    report: DecodedReport,
    removed: ReadonlySet<number>,
    observedMs: number,
  ): void {
    const table = report.sockets!;
    for (let row = 0; row < table.length; row++)
      if (removed.size === 0 || !removed.has(table.id[row]!))
        this.#putSocket(node, report, table, row, observedMs);
  }

  // Returns false if the row is invalid.
  #putSocket(
    node: NodeRecord,
    { header }: DecodedReport,
    table: ReportSockets,
    row: number,
    observedMs: number,
  ): boolean {
    const namespace = node.ids.namespaces.get(table.namespace[row]!);
    if (namespace < 0 || table.id[row] === 0 || isFamily(table.protocol[row]!)) {
      this.#rejections.add();
      return false;
    }
    const sighting = this.#sighting;
    const { ticks, epoch } = header;
    const tick = table.firstSeen[row]!;
    sighting.namespace = namespace;
    sighting.sinceMs = observedMs - (tick < ticks ? (ticks - tick) * TICK_MS : 0);
    sighting.birthMs = epoch + tick * TICK_MS;
    const waits = table.timer[row] === Timer.timeWait;
    sighting.timeWaitMs = waits
      ? observedMs + (table.timerDeadline[row]! - ticks) * TICK_MS - TIME_WAIT_MS
      : Number.NaN;
    this.#sockets.put(node, sighting, table, row);
    return true;
  }

  #putFamilySockets(node: NodeRecord, report: DecodedReport, observedMs: number): void {
    const { ticks, epoch } = report.header;
    for (const socket of report.familySockets) {
      const namespace = node.ids.namespaces.get(socket.namespace);
      if (namespace < 0 || socket.id === 0 || socket.family === 0) {
        this.#rejections.add();
        continue;
      }
      const sinceMs = observedMs - Math.max(0, ticks - socket.firstSeen) * TICK_MS;
      const birthMs = epoch + socket.firstSeen * TICK_MS;
      this.#sockets.putFamily(node, { namespace, sinceMs, birthMs, timeWaitMs: Number.NaN }, socket);
    }
  }

  #changeSockets(node: NodeRecord, report: DecodedReport, table: ReportSockets, observedMs: number): void {
    const birthMs = report.header.epoch + report.header.ticks * TICK_MS;
    const sighting = { namespace: -1, sinceMs: observedMs, birthMs, timeWaitMs: Number.NaN };
    for (let row = 0; row < table.length; row++)
      if (!this.#sockets.change(node, sighting, table, row)) this.#rejections.add();
  }

  #applyFlows(node: NodeRecord, report: DecodedReport, observedMs: number): void {
    const { flows, flowChanges, flowsRemoved, header } = report;
    for (let row = 0; row < (flows?.length ?? 0); row++) {
      const namespace = node.ids.namespaces.get(flows!.namespace[row]!);
      if (namespace < 0 || flows!.id[row] === 0) {
        this.#rejections.add();
        continue;
      }
      const sinceMs = observedMs - Math.max(0, header.ticks - flows!.firstSeen[row]!) * TICK_MS;
      this.#flows.put(node, { table: flows!, row, namespace, sinceMs });
    }
    for (let row = 0; row < (flowChanges?.length ?? 0); row++) this.#flows.change(node, flowChanges!, row);
    for (const id of flowsRemoved) this.#flows.remove(node, id);
  }

  #removeSocket(node: NodeRecord, id: number): void {
    const slot = node.ids.sockets.get(id);
    if (slot >= 0) this.#life.retire(slot);
  }

  #removeUnnamed(node: NodeRecord): void {
    const { sockets } = this.#model;
    const { ids, stream } = node;
    this.#flows.removeUnnamed(node);
    const isUnnamed = (slot: number): boolean => sockets.keyframe[slot] !== stream.keyframe;
    this.#retireAll(ids.sockets.slots().filter(isUnnamed));
    // Sockets of the previous run that were not found again; other sockets may have their slots by now.
    const isLeft = (slot: number): boolean =>
      sockets.kind(slot) !== SocketKind.free &&
      sockets.isLive(slot) &&
      this.#model.nodeOfSocket(slot) === node;
    this.#retireAll(ids.unnamedSockets.filter((slot) => isLeft(slot) && isUnnamed(slot)));
    ids.unnamedSockets = [];
    this.#processes.removeUnnamed(node);
    this.#namespaces.removeUnnamed(node);
  }

  #retireAll(slots: readonly number[]): void {
    for (const slot of slots) this.#life.retire(slot);
  }
}
