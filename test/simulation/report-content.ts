// A report under construction, and its encoding.

import { FlowStatus } from "../../lib/conntrack/flow-status.ts";
import { FlowTable } from "../../lib/flow-table.ts";
import type { Report as ReportMessage } from "../../lib/gen/whotalks/v1/report.ts";
import { Report } from "../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../lib/holder-table.ts";
import type { ReportTables, Rows } from "../../lib/report-codec.ts";
import { encodeReport } from "../../lib/report-codec.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { Protocol } from "../../lib/vocabulary/protocols.ts";
import { TcpFlowState } from "../../lib/vocabulary/states.ts";
import { TIME_WAIT_MS, Timer } from "../../lib/vocabulary/timers.ts";
import { HOST_NAMESPACE } from "./cluster.ts";
import type { Flow, Socket } from "./conversation.ts";
import { isSpot } from "./conversation.ts";
import type { Row } from "./socket-rows.ts";

/** Packets and bytes of a flow and of its reply: with a reply, without one, and without accounting. */
const COUNTED = [9, 900, 8, 8000];
const COUNTED_ONE_PACKET = [1, 60, 0, 0];
const NOT_COUNTED = [0, 0, 0, 0];

/** A socket in a report. */
export interface SocketSighting {
  readonly socket: Socket;
  readonly isOpen: boolean;
  /** Whether this is the last report that contains it. */
  readonly ended: boolean;
  readonly held: boolean;
  readonly row: Row;
}

/** The columns of a flow that its agent assigns, and those that change. */
export interface FlowRow {
  readonly id: number;
  readonly firstSeen: number;
  readonly state: number;
  readonly status: number;
}

// One set of tables for all reports: encoding copies them.
const tables = {
  sockets: new SocketTable(64),
  changes: new SocketTable(64),
  holders: new HolderTable(64),
  flows: new FlowTable(64),
  flowChanges: new FlowTable(64),
};

/** A report under construction; only one at a time. */
export class ReportContent {
  readonly removed: number[] = [];
  readonly flowsRemoved: number[] = [];
  readonly sightings: SocketSighting[] = [];
  readonly flows: Flow[] = [];
  readonly #accounting: boolean;
  readonly #ticksOf: (atMs: number) => number;

  /** `ticksOf` converts a time of the history to the agent's ticks. */
  constructor(accounting: boolean, ticksOf: (atMs: number) => number) {
    this.#accounting = accounting;
    this.#ticksOf = ticksOf;
    for (const table of Object.values(tables)) table.length = 0;
  }

  /** Adds a socket's row to the new or to the changed ones. */
  addSocket(kind: "new" | "changed", socket: Socket, id: number, firstSeen: number, row: Row): void {
    const table = kind === "new" ? tables.sockets : tables.changes;
    const to = table.append();
    table.id[to] = id;
    table.namespace[to] = socket.place.namespace;
    table.protocol[to] = Protocol[socket.protocol];
    table.family[to] = socket.family;
    table.state[to] = row.state;
    table.addresses.set(socket.local.address.words, to * 8);
    table.addresses.set(socket.remote.address.words, to * 8 + 4);
    table.localPort[to] = socket.local.port;
    table.remotePort[to] = socket.remote.port;
    table.inode[to] = row.inode;
    table.firstSeen[to] = firstSeen;
    table.timer[to] = row.timeWaitMs === null ? 0 : Timer.timeWait;
    table.timerDeadline[to] = row.timeWaitMs === null ? 0 : this.#ticksOf(row.timeWaitMs + TIME_WAIT_MS);
    table.clearCounters(to);
    table.cookieLow[to] = row.cookie;
    table.counted[to] = row.counted ? 1 : 0;
    table.bytesSent[to] = row.sent;
    table.bytesReceived[to] = row.received;
  }

  /** Adds a holder. */
  addHolder(id: number, process: number): void {
    tables.holders.append(id, process, 3);
  }

  /** Processes that hold sockets of this report. */
  holders(): number[] {
    return [...tables.holders.process.subarray(0, tables.holders.length)];
  }

  /** Adds a flow's row to the new or to the changed ones. */
  addFlow(kind: "new" | "changed", flow: Flow, { id, firstSeen, state, status }: FlowRow): void {
    const table = kind === "new" ? tables.flows : tables.flowChanges;
    const to = table.append();
    table.id[to] = id;
    table.namespace[to] = HOST_NAMESPACE;
    table.protocol[to] = Protocol[flow.protocol];
    table.family[to] = flow.family;
    table.state[to] = flow.protocol === "tcp" ? state : 0;
    table.status[to] = status;
    for (const [place, { address, port }] of [...flow.original, ...flow.reply].entries()) {
      table.addresses.set(address.words, to * 16 + place * 4);
      table.ports[to * 4 + place] = port;
    }
    table.firstSeen[to] = firstSeen;
    const counted = (status & FlowStatus.seenReply) !== 0 ? COUNTED : COUNTED_ONE_PACKET;
    table.counters.set(this.#accounting ? counted : NOT_COUNTED, to * 4);
  }

  /** Encodes the report, with a header. */
  encode(header: Partial<ReportMessage>): Uint8Array {
    const { sockets, changes, holders, flows, flowChanges } = tables;
    const filled: ReportTables = {
      ...(sockets.length > 0 ? { sockets: rowsOf(sockets) } : {}),
      ...(changes.length > 0 ? { changes: rowsOf(changes) } : {}),
      ...(holders.length > 0 ? { holders: rowsOf(holders) } : {}),
      ...(flows.length > 0 ? { flows: rowsOf(flows) } : {}),
      ...(flowChanges.length > 0 ? { flowChanges: rowsOf(flowChanges) } : {}),
    };
    const message = Report.fromPartial({
      schema: 1,
      part: 0,
      parts: 1,
      socketsRemoved: idBytes(this.removed),
      flowsRemoved: idBytes(this.flowsRemoved),
      ...header,
    });
    return encodeReport(message, filled);
  }
}

/** The state of a TCP flow: its first packet creates the entry, the next two establish it. */
export function flowStateAt({ bornMs, endMs, reset }: Flow, atMs: number): number {
  if (atMs <= bornMs) return TcpFlowState.synSent;
  if (atMs < endMs) return TcpFlowState.established;
  return reset ? TcpFlowState.close : TcpFlowState.timeWait;
}

/** The status bits of a flow. */
export function flowStatusAt({ original, reply, bornMs }: Flow, atMs: number): number {
  let status: number = FlowStatus.confirmed;
  if (!isSpot(original[0], reply[1])) status |= FlowStatus.sourceNat;
  if (!isSpot(original[1], reply[0])) status |= FlowStatus.destinationNat;
  return atMs <= bornMs ? status : status | FlowStatus.seenReply | FlowStatus.assured;
}

function rowsOf<Table extends { readonly length: number }>(table: Table): Rows<Table> {
  return { table, from: 0, to: table.length };
}

function idBytes(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(ids).buffer);
}
