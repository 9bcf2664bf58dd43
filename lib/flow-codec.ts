// Flows to columns of a report and back. Field numbers are those of FlowColumns and FlowChangeColumns in report.proto.

import type { ColumnWriter } from "./columns.ts";
import { decodeColumn } from "./columns.ts";
import { FlowTable } from "./flow-table.ts";
import type { FlowChangeColumns, FlowColumns } from "./gen/whotalks/v1/report.ts";

/** Writes rows [from, to) of new flows. */
export function writeFlows(writer: ColumnWriter, table: FlowTable, from: number, to: number): void {
  writer.uint32(1, to - from);
  writer.column(2, table.id, from, to);
  writer.column(3, table.namespace, from, to);
  writer.column(4, table.protocol, from, to);
  writer.column(5, table.family, from, to);
  writer.column(6, table.state, from, to);
  writer.column(7, table.status, from, to);
  writeAddresses(writer, table, from, to);
  writer.column(9, table.ports, from * 4, to * 4);
  writer.column(10, table.zone, from, to);
  writer.column(11, table.mark, from, to);
  writer.column(12, table.deadline, from, to);
  writer.column(13, table.kernelId, from, to);
  writer.column(14, table.counters, from * 4, to * 4);
  writer.column(15, table.startMs, from, to);
  writer.column(16, table.firstSeen, from, to);
}

/** Writes what changed of rows [from, to). */
export function writeFlowChanges(writer: ColumnWriter, table: FlowTable, from: number, to: number): void {
  writer.uint32(1, to - from);
  writer.column(2, table.id, from, to);
  writer.column(3, table.state, from, to);
  writer.column(4, table.status, from, to);
  writer.column(5, table.mark, from, to);
  writer.column(6, table.deadline, from, to);
  writer.column(7, table.counters, from * 4, to * 4);
}

/** Reads new flows; null where the columns' lengths do not fit. */
export function decodeFlows(columns: FlowColumns): FlowTable | null {
  const { count } = columns;
  // Ids start at 1, so the id column is never left out: its length bounds what a forged count can make us allocate.
  if (columns.id.length !== count * 4) return null;
  const table = new FlowTable(count);
  table.length = count;
  const whole =
    decodeColumn(columns.id, count, table.id) &&
    decodeColumn(columns.namespace, count, table.namespace) &&
    decodeColumn(columns.protocol, count, table.protocol) &&
    decodeColumn(columns.family, count, table.family) &&
    decodeColumn(columns.state, count, table.state) &&
    decodeColumn(columns.status, count, table.status) &&
    decodeAddresses(columns.addresses, table) &&
    decodeColumn(columns.ports, count * 4, table.ports) &&
    decodeColumn(columns.zone, count, table.zone) &&
    decodeColumn(columns.mark, count, table.mark) &&
    decodeColumn(columns.deadline, count, table.deadline) &&
    decodeColumn(columns.kernelId, count, table.kernelId) &&
    decodeColumn(columns.counters, count * 4, table.counters) &&
    decodeColumn(columns.startMs, count, table.startMs) &&
    decodeColumn(columns.firstSeen, count, table.firstSeen);
  return whole ? table : null;
}

/** Reads changes: only id and the columns of FlowChangeColumns mean something. Null where lengths do not fit. */
export function decodeFlowChanges(columns: FlowChangeColumns): FlowTable | null {
  const { count } = columns;
  if (columns.id.length !== count * 4) return null;
  const table = new FlowTable(count);
  table.length = count;
  const whole =
    decodeColumn(columns.id, count, table.id) &&
    decodeColumn(columns.state, count, table.state) &&
    decodeColumn(columns.status, count, table.status) &&
    decodeColumn(columns.mark, count, table.mark) &&
    decodeColumn(columns.deadline, count, table.deadline) &&
    decodeColumn(columns.counters, count * 4, table.counters);
  return whole ? table : null;
}

function writeAddresses(
  writer: ColumnWriter,
  { family, addresses }: FlowTable,
  from: number,
  to: number,
): void {
  let length = 0;
  for (let row = from; row < to; row++) length += family[row] === 4 ? 16 : 64;
  writer.filled(8, length, (view) => {
    let at = 0;
    for (let row = from; row < to; row++) {
      const step = family[row] === 4 ? 4 : 1;
      for (let i = step - 1; i < 16; i += step, at += 4) view.setUint32(at, addresses[row * 16 + i]!);
    }
  });
}

// A row whose family is neither 4 nor 6 makes the table malformed: its width would be unknown.
function decodeAddresses(bytes: Uint8Array, { family, addresses, length }: FlowTable): boolean {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.length);
  let at = 0;
  for (let row = 0; row < length; row++) {
    const ipv4 = family[row] === 4;
    if ((!ipv4 && family[row] !== 6) || at + (ipv4 ? 16 : 64) > bytes.length) return false;
    const step = ipv4 ? 4 : 1;
    for (let i = step - 1; i < 16; i += step, at += 4) {
      if (ipv4) addresses[row * 16 + i - 1] = 0xffff;
      addresses[row * 16 + i] = view.getUint32(at);
    }
  }
  return at === bytes.length;
}
