// Applies one report to the tables, part by part as parts arrive: namespaces and processes first, then sockets, holders
// and removals. A keyframe's last part ends with dropping what the keyframe did not name.

import type { NetworkNamespace, ProcessInfo } from "../../../lib/gen/whotalks/v1/report.ts";
import type { HolderTable } from "../../../lib/holder-table.ts";
import type { DecodedReport } from "../../../lib/report-codec.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { Joiner } from "../join/joiner.ts";
import type { NodeRecord } from "../store/node-record.ts";
import { TICK_MS } from "../store/node-record.ts";
import { isFamily, SocketFlag, SocketKind } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import { parseAddressBytes } from "./address-bytes.ts";

/** Addresses kept of one namespace at most. */
const NAMESPACE_ADDRESSES_MAX = 1024;

/** Applies reports that the sequence gate let through. */
export class ReportApplier {
  /** Rows that named what their report never described, or whose values are out of bounds; since start. */
  rowsRejected = 0;
  readonly #tables: Tables;
  readonly #joiner: Joiner;
  // Namespaces of an agent's earlier run, by node and inode, each with the reference that its id had.
  readonly #earlier = new Map<number, Map<number, number>>();

  constructor(tables: Tables, joiner: Joiner) {
    this.#tables = tables;
    this.#joiner = joiner;
  }

  /** Applies a report (or one part of it) that was observed at a time of the stream's clock. */
  apply(node: NodeRecord, report: DecodedReport, observedMs: number): void {
    const { header } = report;
    for (const namespace of header.namespaces) this.#putNamespace(node, namespace);
    for (const process of header.processes) this.#putProcess(node, process);
    if (report.sockets !== null) this.#putSockets(node, report, report.sockets, observedMs);
    this.#putFamilySockets(node, report, observedMs);
    if (report.changes !== null) this.#change(node, report, report.changes, observedMs);
    if (report.holders !== null) this.#putHolders(node, report.holders);
    this.#applyFlows(node, report, observedMs);
    for (const id of report.socketsRemoved) this.#removeSocket(node, id);
    for (const id of report.holdersCleared) this.#clearHolders(node, id);
    for (const id of header.processesRemoved) this.#removeProcess(node, id);
    this.#putAccounts(node, report, observedMs);
    for (const id of header.namespacesRemoved) this.#removeNamespace(node, id);
    if (header.keyframe && header.part === header.parts - 1) this.#dropUnnamed(node);
  }

  /**
   * A new run of the agent: its ids mean nothing any more. The sockets stay until its first keyframe has told which of
   * them are still there; after a reboot none is.
   */
  beginEpoch(node: NodeRecord, rebooted: boolean): void {
    if (rebooted) this.#retireAll(node.sockets.slots());
    else node.unnamedSockets = [...node.unnamedSockets, ...node.sockets.slots()];
    node.sockets.clear();
    this.#joiner.flowLife.dropAll(node, false);
    for (const id of node.processIds.keys()) this.#tables.processes.release(node.processes.get(id));
    node.processIds.clear();
    node.processes.clear();
    const earlier = this.#earlier.get(node.index) ?? new Map<number, number>();
    for (const id of node.namespaceIds.keys()) {
      const slot = node.namespaces.get(id);
      const { inode } = this.#tables.namespaces.row(slot);
      if (rebooted || inode === 0 || earlier.has(inode)) this.#releaseNamespace(slot);
      else earlier.set(inode, slot);
    }
    if (rebooted) this.#releaseEarlier(node);
    else this.#earlier.set(node.index, earlier);
    node.namespaceIds.clear();
    node.namespaces.clear();
  }

  #putNamespace(node: NodeRecord, namespace: NetworkNamespace): void {
    const { namespaces, staleNodes } = this.#tables;
    if (namespace.id > 0xffff) {
      this.rowsRejected++;
      return;
    }
    let slot = node.namespaces.get(namespace.id);
    if (slot >= 0 && namespaces.row(slot).inode !== namespace.inode) {
      this.#removeNamespace(node, namespace.id);
      slot = -1;
    }
    if (slot < 0) {
      slot = this.#takeEarlier(node, namespace);
      if (slot < 0) slot = namespaces.add(node.index, namespace);
      if (slot < 0) {
        this.#tables.overflowed++;
        return;
      }
      node.namespaces.set(namespace.id, slot);
    }
    node.namespaceIds.set(namespace.id, node.keyframe);
    if (namespaces.update(slot, namespace)) staleNodes.add(node.index);
    this.#setAddresses(slot, namespace.addresses);
  }

  #putAccounts(node: NodeRecord, { header }: DecodedReport, observedMs: number): void {
    for (const told of header.namespaceCoverage) {
      const slot = node.namespaces.get(told.namespace);
      if (slot < 0) this.rowsRejected++;
      else
        this.#tables.accounts.put(slot, told, observedMs - Math.max(0, header.ticks - told.since) * TICK_MS);
    }
  }

  // The kernel uses inode numbers again: the same number with another pod is another namespace.
  #takeEarlier(node: NodeRecord, namespace: NetworkNamespace): number {
    const earlier = this.#earlier.get(node.index);
    const slot = earlier?.get(namespace.inode) ?? -1;
    if (slot < 0 || this.#tables.namespaces.row(slot).podUid !== namespace.podUid) return -1;
    earlier!.delete(namespace.inode);
    return slot;
  }

  #releaseEarlier(node: NodeRecord): void {
    for (const slot of this.#earlier.get(node.index)?.values() ?? []) this.#releaseNamespace(slot);
    this.#earlier.delete(node.index);
  }

  #setAddresses(slot: number, list: readonly Uint8Array[]): void {
    const { namespaces, addresses, localAddresses } = this.#tables;
    const row = namespaces.row(slot);
    const before = row.addresses;
    row.addresses = [];
    for (const bytes of list.slice(0, NAMESPACE_ADDRESSES_MAX)) {
      const words = parseAddressBytes(bytes);
      if (words === null) {
        this.rowsRejected++;
        continue;
      }
      const address = addresses.intern(words, 0);
      row.addresses.push(address);
      localAddresses.retain(address, slot);
    }
    for (const address of before) this.#releaseAddress(address, slot);
  }

  #releaseAddress(address: number, namespace: number): void {
    this.#tables.localAddresses.release(address, namespace);
    this.#tables.addresses.release(address);
  }

  #putProcess(node: NodeRecord, process: ProcessInfo): void {
    const { processes, staleNodes } = this.#tables;
    const slot = node.processes.get(process.id);
    if (slot >= 0) {
      const { pid, startTicks } = processes.row(slot);
      if (pid === process.pid && startTicks === process.startTicks) {
        if (!isSameProgram(processes.row(slot), process)) {
          processes.update(slot, process);
          staleNodes.add(node.index);
        }
        node.processIds.set(process.id, node.keyframe);
        return;
      }
      processes.release(slot);
    }
    const added = processes.add(process);
    if (!node.processes.set(process.id, added)) {
      processes.release(added);
      this.rowsRejected++;
      return;
    }
    node.processIds.set(process.id, node.keyframe);
  }

  #putSockets(node: NodeRecord, report: DecodedReport, table: SocketTable, observedMs: number): void {
    const { ticks, epoch } = report.header;
    for (let row = 0; row < table.length; row++) {
      const namespace = node.namespaces.get(table.namespace[row]!);
      if (namespace < 0 || table.id[row] === 0 || isFamily(table.protocol[row]!)) {
        this.rowsRejected++;
        continue;
      }
      const tick = table.firstSeen[row]!;
      const sinceMs = observedMs - (tick < ticks ? (ticks - tick) * TICK_MS : 0);
      this.#joiner.put(node, table, row, namespace, sinceMs, epoch + tick * TICK_MS);
    }
  }

  #putFamilySockets(node: NodeRecord, report: DecodedReport, observedMs: number): void {
    const { ticks, epoch } = report.header;
    for (const socket of report.familySockets) {
      const namespace = node.namespaces.get(socket.namespace);
      if (namespace < 0 || socket.id === 0 || socket.family === 0) {
        this.rowsRejected++;
        continue;
      }
      const sinceMs = observedMs - Math.max(0, ticks - socket.firstSeen) * TICK_MS;
      this.#joiner.putFamily(node, socket, namespace, sinceMs, epoch + socket.firstSeen * TICK_MS);
    }
  }

  #applyFlows(node: NodeRecord, report: DecodedReport, observedMs: number): void {
    const { flows, flowChanges, flowsRemoved, header } = report;
    const { flowLife } = this.#joiner;
    for (let row = 0; row < (flows?.length ?? 0); row++) {
      const namespace = node.namespaces.get(flows!.namespace[row]!);
      if (namespace < 0 || flows!.id[row] === 0) {
        this.rowsRejected++;
        continue;
      }
      const age = Math.max(0, header.ticks - flows!.firstSeen[row]!) * TICK_MS;
      flowLife.put(node, flows!, row, namespace, observedMs - age, observedMs);
    }
    for (let row = 0; row < (flowChanges?.length ?? 0); row++) flowLife.change(node, flowChanges!, row);
    for (const id of flowsRemoved) flowLife.remove(node, id);
  }

  #change(node: NodeRecord, report: DecodedReport, table: SocketTable, observedMs: number): void {
    const birthMs = report.header.epoch + report.header.ticks * TICK_MS;
    for (let row = 0; row < table.length; row++) {
      if (!this.#joiner.change(node, table, row, observedMs, birthMs)) this.rowsRejected++;
    }
  }

  #putHolders(node: NodeRecord, table: HolderTable): void {
    for (let from = 0; from < table.length;) {
      const id = table.socket[from]!;
      let to = from + 1;
      while (to < table.length && table.socket[to] === id) to++;
      const slot = node.sockets.get(id);
      if (slot >= 0) this.#setHolders(node, slot, table, from, to);
      else this.rowsRejected++;
      from = to;
    }
  }

  #setHolders(node: NodeRecord, slot: number, table: HolderTable, from: number, to: number): void {
    const { sockets, holders } = this.#tables;
    const before = sockets.holders(slot);
    if (holders.equals(before, table, from, to, node.processes)) return;
    sockets.setHolders(slot, holders.build(table, from, to, node.processes));
    holders.free(before);
    this.#noteHolders(node, slot);
  }

  #noteHolders(node: NodeRecord, slot: number): void {
    const { sockets, staleNodes } = this.#tables;
    if (sockets.kind(slot) === SocketKind.end) this.#tables.markDirty(sockets.connection(slot), true);
    else if (sockets.has(slot, SocketFlag.shared)) staleNodes.add(node.index);
  }

  // An orphan (inode 0) has no holder any more; who held it last is worth more than that.
  #clearHolders(node: NodeRecord, id: number): void {
    const { sockets, holders } = this.#tables;
    const slot = node.sockets.get(id);
    if (slot < 0 || sockets.inode(slot) === 0) return;
    holders.free(sockets.holders(slot));
    sockets.setHolders(slot, 0);
    this.#noteHolders(node, slot);
  }

  #removeSocket(node: NodeRecord, id: number): void {
    const slot = node.sockets.get(id);
    if (slot >= 0) this.#joiner.retire(slot);
  }

  #removeProcess(node: NodeRecord, id: number): void {
    const slot = node.processes.get(id);
    if (slot < 0) return;
    this.#tables.processes.release(slot);
    node.processes.delete(id);
    node.processIds.delete(id);
  }

  #removeNamespace(node: NodeRecord, id: number): void {
    const slot = node.namespaces.get(id);
    if (slot < 0) return;
    this.#releaseNamespace(slot);
    node.namespaces.delete(id);
    node.namespaceIds.delete(id);
  }

  #releaseNamespace(slot: number): void {
    const row = this.#tables.namespaces.row(slot);
    this.#tables.accounts.end(slot, this.#tables.nodes[row.node]!.arrivedMs);
    for (const address of row.addresses) this.#releaseAddress(address, slot);
    row.addresses = [];
    this.#tables.namespaces.release(slot);
  }

  #dropUnnamed(node: NodeRecord): void {
    const { sockets } = this.#tables;
    this.#joiner.flowLife.dropAll(node, true);
    const isUnnamed = (slot: number): boolean => sockets.keyframe[slot] !== node.keyframe;
    this.#retireAll(node.sockets.slots().filter(isUnnamed));
    // Sockets of the run before that were not found again; their slots may hold others by now.
    const isLeft = (slot: number): boolean =>
      sockets.kind(slot) !== SocketKind.free &&
      sockets.isLive(slot) &&
      this.#tables.nodeOfSocket(slot) === node;
    this.#retireAll(node.unnamedSockets.filter((slot) => isLeft(slot) && isUnnamed(slot)));
    node.unnamedSockets = [];
    for (const [id, keyframe] of node.processIds)
      if (keyframe !== node.keyframe) this.#removeProcess(node, id);
    for (const [id, keyframe] of node.namespaceIds)
      if (keyframe !== node.keyframe) this.#removeNamespace(node, id);
    this.#releaseEarlier(node);
  }

  #retireAll(slots: readonly number[]): void {
    for (const slot of slots) this.#joiner.retire(slot);
  }
}

function isSameProgram(a: ProcessInfo, b: ProcessInfo): boolean {
  return (
    a.name === b.name &&
    a.exe === b.exe &&
    a.uid === b.uid &&
    a.unit === b.unit &&
    a.podUid === b.podUid &&
    a.containerId === b.containerId
  );
}
