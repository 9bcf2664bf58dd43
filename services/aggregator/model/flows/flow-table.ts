// The one writer of flows. Each method is one kind of change.

import { FlowStatus } from "../../../../lib/conntrack/flow-status.ts";
import { TupleKind, tupleKind } from "../../../../lib/conntrack/tuple-kind.ts";
import type { FlowTable as ReportFlows } from "../../../../lib/flow-table.ts";
import { Protocol } from "../../../../lib/vocabulary/protocols.ts";
import { TcpFlowState } from "../../../../lib/vocabulary/states.ts";
import type { AddressTable } from "../addresses/address-table.ts";
import type { NamespaceTable } from "../nodes/namespace-table.ts";
import { FLOWS_MAX } from "../../gen/flow-columns.ts";
import { FlowIndex, segments } from "./flow-index.ts";
import { FlowFlag, FlowRows } from "./flow-rows.ts";

/** A row of a report's flows, with its namespace and first sighting. */
export interface FlowArrival {
  readonly table: ReportFlows;
  readonly row: number;
  /** Slot of the network namespace. */
  readonly namespace: number;
  /** When it was first seen, in milliseconds since 1970 by the stream's clock. */
  readonly sinceMs: number;
  /** When it began, at the earliest, by the same clock. */
  readonly bornAfterMs: number;
  /** Whether its beginning is unknown. */
  readonly old: boolean;
}

/** What update() changed, as bits: whether it is answered, and what it carried. */
export const FlowChange = { state: 1, counters: 2 } as const;

const ANSWERED_STATUS = FlowStatus.seenReply | FlowStatus.assured;

/** Writable flows. */
export class FlowTable extends FlowRows {
  readonly index = new FlowIndex(this);
  readonly #addressTable: AddressTable;
  readonly #namespaces: NamespaceTable;
  readonly #free: number[] = [];
  #used = 0;

  constructor(addresses: AddressTable, namespaces: NamespaceTable) {
    super();
    this.#addressTable = addresses;
    this.#namespaces = namespaces;
  }

  /** Adds a flow; returns its slot, or -1 if FLOWS_MAX is reached. */
  add(arrival: FlowArrival, keyframe: number): number {
    const slot = this.#free.pop() ?? this.#extend();
    if (slot < 0) return -1;
    const { table, row, namespace, sinceMs, bornAfterMs, old } = arrival;
    this.slotsInUse++;
    this.#namespaces.retain(namespace);
    this._id[slot] = table.id[row]!;
    this._namespace[slot] = namespace;
    this._protocol[slot] = table.protocol[row]!;
    this._zone[slot] = table.zone[row]!;
    this._sinceMs[slot] = sinceMs;
    this._bornAfterMs[slot] = bornAfterMs;
    this._tick[slot] = table.firstSeen[row]!;
    this._keyframe[slot] = keyframe;
    this.clearLife(slot);
    if (old) this._flags[slot] = FlowFlag.old;
    for (let place = 0; place < 4; place++) {
      this._addresses[slot * 4 + place] = this.#addressTable.intern(table.addresses, row * 16 + place * 4);
      this._ports[slot * 4 + place] = portOf(table, row, place);
    }
    this.update(slot, table, row);
    this.index.add(slot);
    return slot;
  }

  /** Whether a row has the same namespace, zone and tuples as a flow. */
  isSame(slot: number, { table, row, namespace }: FlowArrival): boolean {
    if (this._namespace[slot] !== namespace || this._protocol[slot] !== table.protocol[row]) return false;
    if (this._zone[slot] !== table.zone[row]) return false;
    const { words } = this.#addressTable;
    for (let place = 0; place < 4; place++) {
      if (this.port(slot, place) !== portOf(table, row, place)) return false;
      const address = this.address(slot, place);
      for (let i = 0; i < 4; i++)
        if (words[address * 4 + i] !== table.addresses[row * 16 + place * 4 + i]) return false;
    }
    return true;
  }

  /**
   * Whether a flow is the same as an earlier one: its tuples in its table, and neither its state nor its
   * counters have gone back, as those of the entry after it on the same tuples.
   */
  continues(slot: number, earlier: number): boolean {
    if (this._namespace[slot] !== this._namespace[earlier] || this._zone[slot] !== this._zone[earlier])
      return false;
    if (segments.some((segment) => !this.index.equals(slot, segment, earlier, segment))) return false;
    for (let i = slot * 4, j = earlier * 4; i < slot * 4 + 4; i++, j++)
      if (this._counters[i]! < this._counters[j]!) return false;
    if (this._protocol[slot] !== Protocol.tcp) return true;
    return phaseOf(this._state[slot]!) >= phaseOf(this._state[earlier]!);
  }

  /** Sets the agent's new id of the flow. */
  rename(slot: number, id: number, keyframe: number): void {
    this._id[slot] = id;
    this._keyframe[slot] = keyframe;
  }

  /** Copies the changeable columns from a report's row; returns what changed, as bits of FlowChange. */
  update(slot: number, table: ReportFlows, row: number): number {
    const state = table.state[row]!;
    const status = table.status[row]!;
    const answered = ((this._status[slot]! ^ status) & ANSWERED_STATUS) !== 0;
    let changed = answered || this._state[slot] !== state ? FlowChange.state : 0;
    this._state[slot] = state;
    this._status[slot] = status;
    for (let i = 0; i < 4; i++) {
      const counter = table.counters[row * 4 + i]!;
      if (this._counters[slot * 4 + i] !== counter) changed |= FlowChange.counters;
      this._counters[slot * 4 + i] = counter;
    }
    return changed;
  }

  /** Records the keyframe that names the flow. */
  name(slot: number, keyframe: number): void {
    this._keyframe[slot] = keyframe;
  }

  /**
   * Marks the flow as gone; `goneMs` is when it last existed, after 1970. It is kept while there are
   * references to it.
   */
  retire(slot: number, goneMs: number): void {
    this._goneMs[slot] = Math.max(1, goneMs, this._sinceMs[slot]!);
    if (this._references[slot] === 0) this.#remove(slot);
  }

  /** Adds a reference that keeps the flow once it is gone. */
  retain(slot: number): void {
    this._references[slot]!++;
  }

  /** Drops a reference. A flow that is gone and has no references is freed. */
  release(slot: number): void {
    if (--this._references[slot]! === 0 && !this.isLive(slot)) this.#remove(slot);
  }

  /** Marks the flow as waiting to be judged. */
  beginWait(slot: number): void {
    this._flags[slot]! |= FlowFlag.waiting;
    this.retain(slot);
  }

  /** Marks the flow as judged. */
  endWait(slot: number): void {
    this._flags[slot]! &= ~FlowFlag.waiting;
    this.release(slot);
  }

  /** Marks the flow's connection as made from sockets. */
  explain(slot: number): void {
    this._flags[slot]! |= FlowFlag.explained;
  }

  /** Sets whether a connection of its own, or of another flow of the conversation, shows the flow. */
  setShown(slot: number, shown: boolean): void {
    if (shown) this._flags[slot]! |= FlowFlag.shown;
    else this._flags[slot]! &= ~FlowFlag.shown;
  }

  /** Sets the connection that changes of the flow affect; -1 for none. */
  setConnection(slot: number, connection: number): void {
    this._connection[slot] = connection;
  }

  /** Sets the flow that translates this flow's packets again. */
  setNext(slot: number, next: number): void {
    this._next[slot] = next;
    this.retain(next);
  }

  #remove(slot: number): void {
    this.index.remove(slot);
    for (let place = 0; place < 4; place++) this.#addressTable.release(this.address(slot, place));
    this.#namespaces.release(this._namespace[slot]!);
    this.slotsInUse--;
    this.#free.push(slot);
    const next = this._next[slot]!;
    if (next >= 0) this.release(next);
  }

  #extend(): number {
    if (this.#used >= FLOWS_MAX) return -1;
    if (this.#used === this._id.length) this.growByCopy();
    return this.#used++;
  }
}

// How far a TCP flow is: its handshake, established, or ending.
function phaseOf(state: number): number {
  if (state === TcpFlowState.established) return 1;
  return state < TcpFlowState.established || state === TcpFlowState.synSent2 ? 0 : 2;
}

// Each direction of an ICMP flow has its own tuple: the id as source, and type * 256 + code as destination.
// The client's values are used for both directions, so that one mirrors the other.
function portOf({ protocol, ports }: ReportFlows, row: number, place: number): number {
  if (place < 2 || tupleKind(protocol[row]!) !== TupleKind.icmp) return ports[row * 4 + place]!;
  return ports[row * 4 + (place === 2 ? 1 : 2)]!;
}
