// Builds reports from a delta: splits what is too large for one message, numbers and encodes the parts. A
// socket's holders are in the same part as the socket, and namespaces and processes come before the sockets
// that refer to them, so that every part can be applied as it arrives.

import type { BinaryWriter } from "@bufbuild/protobuf/wire";
import { encodeColumn } from "../../../lib/columns.ts";
import { FLOW_CHANGE_WIRE_BYTES, FLOW_WIRE_BYTES } from "../../../lib/gen/tables/flow-columns.ts";
import { HOLDER_WIRE_BYTES } from "../../../lib/gen/tables/holder-columns.ts";
import { SOCKET_CHANGE_WIRE_BYTES, SOCKET_WIRE_BYTES } from "../../../lib/gen/tables/socket-columns.ts";
import {
  FamilySocket,
  NamespaceCoverage,
  NetworkNamespace,
  Pod,
  ProcessInfo,
  Report,
} from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import type { ReportTables } from "../../../lib/report-codec.ts";
import { encodeReport, REPORT_BYTES_MAX, REPORT_SCHEMA } from "../../../lib/report-codec.ts";
import type { FlowChanges } from "../observation.ts";
import type { Delta } from "./delta.ts";

/**
 * Bytes at which a part is full: half of what readers accept, so that the last row never exceeds their limit.
 */
const PART_BYTES_MAX = REPORT_BYTES_MAX / 2;

const ID_BYTES = 4;

/** Identifies the agent that reports come from. */
export interface ReportOrigin {
  readonly node: string;
  readonly bootId: string;
  /** The agent's start, milliseconds since 1970 by the node's clock. */
  readonly epoch: number;
}

/** Content of a part of a report: the fields of Report that differ between parts, and its tables. */
interface PartContent {
  readonly fields: Partial<Report>;
  readonly tables: ReportTables;
}

/**
 * Encodes a delta as one or more reports. `firstSequence` is the sequence number of the first, `ageMs` the
 * milliseconds since the observation ended.
 */
export function encodeReports(
  origin: ReportOrigin,
  delta: Delta,
  options: {
    keyframe: boolean;
    firstSequence: number;
    ageMs: number;
    pods: readonly Pod[];
    /** Flows are separate from observations: their reader itself knows what changed. */
    flows?: FlowChanges | null;
    /** Whether no other report follows. */
    ends?: boolean;
  },
): Uint8Array[] {
  const parts = splitDelta(delta, options);
  return parts.map(({ fields, tables }, part) => {
    const header = Report.fromPartial({
      schema: REPORT_SCHEMA,
      node: origin.node,
      bootId: origin.bootId,
      epoch: origin.epoch,
      sequence: options.firstSequence + part,
      keyframe: options.keyframe,
      part,
      parts: parts.length,
      ticks: delta.ticks,
      ageMs: options.ageMs,
      ends: options.ends === true && part === parts.length - 1,
      ...(part === parts.length - 1 && delta.coverage !== null ? { coverage: delta.coverage } : {}),
      ...fields,
    });
    // Readers of the report fill in when the added sockets were first seen.
    return encodeReport(header, { ...tables, seenNow: !options.keyframe && delta.seenNow });
  });
}

function splitDelta(
  delta: Delta,
  options: { keyframe: boolean; pods: readonly Pod[]; flows?: FlowChanges | null },
): PartContent[] {
  const { flows = null } = options;
  const holders = new HolderRuns(delta.holders);
  return packParts([
    ...messageChunks(delta.namespaces, NetworkNamespace, (namespaces) => ({ namespaces })),
    ...messageChunks(options.pods, Pod, (pods) => ({ pods })),
    ...messageChunks(delta.processes, ProcessInfo, (processes) => ({ processes })),
    ...socketChunks(delta, holders),
    ...familySocketChunks(delta, holders),
    ...changeChunks(delta),
    ...holders.rest(),
    ...(flows === null ? [] : flowChunks(flows)),
    ...idChunks(delta.socketsRemoved, (socketsRemoved) => ({ socketsRemoved })),
    ...idChunks(delta.holdersCleared, (holdersCleared) => ({ holdersCleared })),
    ...listChunks(delta.processesRemoved, (processesRemoved) => ({ processesRemoved })),
    ...listChunks(delta.namespacesRemoved, (namespacesRemoved) => ({ namespacesRemoved })),
    ...messageChunks(delta.namespaceCoverage, NamespaceCoverage, (namespaceCoverage) => ({
      namespaceCoverage,
    })),
  ]);
}

/** A piece of content that is not split further, the holders that go with it, and its maximum bytes. */
interface Chunk {
  readonly bytes: number;
  readonly fields?: Partial<Report>;
  readonly tables?: ReportTables;
  readonly holders?: HolderTable;
}

// Packs chunks into parts in order; a part has at most one chunk of each kind, and the holders of several.
function packParts(chunks: Iterable<Chunk>): PartContent[] {
  const parts: PartContent[] = [];
  let fields: Partial<Report> = {};
  let tables: ReportTables = {};
  let holders = new HolderTable(64);
  let bytes = 0;
  const close = (): void => {
    if (holders.length > 0) tables = { ...tables, holders: { table: holders, from: 0, to: holders.length } };
    parts.push({ fields, tables });
    fields = {};
    tables = {};
    holders = new HolderTable(64);
    bytes = 0;
  };
  for (const chunk of chunks) {
    const repeats = Object.keys({ ...chunk.fields, ...chunk.tables }).some(
      (name) => name in fields || name in tables,
    );
    if (repeats || (bytes > 0 && bytes + chunk.bytes > PART_BYTES_MAX)) close();
    fields = { ...fields, ...chunk.fields };
    tables = { ...tables, ...chunk.tables };
    if (chunk.holders !== undefined) appendAll(holders, chunk.holders);
    bytes += chunk.bytes;
  }
  close();
  return parts;
}

function appendAll(holders: HolderTable, more: HolderTable): void {
  for (let row = 0; row < more.length; row++)
    holders.append(more.socket[row]!, more.process[row]!, more.fd[row]!);
}

function* messageChunks<Message>(
  messages: readonly Message[],
  codec: { encode(message: Message): BinaryWriter },
  fields: (messages: Message[]) => Partial<Report>,
): Generator<Chunk> {
  let chunk: Message[] = [];
  let bytes = 0;
  for (const message of messages) {
    const size = codec.encode(message).finish().length + 8;
    if (chunk.length > 0 && bytes + size > PART_BYTES_MAX) {
      yield { bytes, fields: fields(chunk) };
      chunk = [];
      bytes = 0;
    }
    chunk.push(message);
    bytes += size;
  }
  if (chunk.length > 0) yield { bytes, fields: fields(chunk) };
}

function* socketChunks(delta: Delta, runs: HolderRuns): Generator<Chunk> {
  const { sockets } = delta;
  for (let from = 0; from < sockets.length;) {
    let to = from;
    let bytes = 0;
    const holders = new HolderTable(64);
    while (to < sockets.length && bytes < PART_BYTES_MAX) {
      bytes += SOCKET_WIRE_BYTES + HOLDER_WIRE_BYTES * runs.take(sockets.id[to]!, holders);
      to++;
    }
    yield { bytes, tables: { sockets: { table: sockets, from, to } }, holders };
    from = to;
  }
}

function* familySocketChunks(delta: Delta, runs: HolderRuns): Generator<Chunk> {
  let chunk: FamilySocket[] = [];
  let holders = new HolderTable(64);
  let bytes = 0;
  for (const socket of delta.familySockets) {
    bytes += FamilySocket.encode(socket).finish().length + 8;
    bytes += HOLDER_WIRE_BYTES * runs.take(socket.id, holders);
    chunk.push(socket);
    if (bytes >= PART_BYTES_MAX) {
      yield { bytes, fields: { familySockets: chunk }, holders };
      chunk = [];
      holders = new HolderTable(64);
      bytes = 0;
    }
  }
  if (chunk.length > 0) yield { bytes, fields: { familySockets: chunk }, holders };
}

function* changeChunks(delta: Delta): Generator<Chunk> {
  const rows = Math.floor(PART_BYTES_MAX / SOCKET_CHANGE_WIRE_BYTES);
  for (let from = 0; from < delta.changes.length; from += rows) {
    const to = Math.min(delta.changes.length, from + rows);
    yield {
      bytes: (to - from) * SOCKET_CHANGE_WIRE_BYTES,
      tables: { changes: { table: delta.changes, from, to } },
    };
  }
}

function* flowChunks({ added, changed, removed }: FlowChanges): Generator<Chunk> {
  const rows = Math.floor(PART_BYTES_MAX / FLOW_WIRE_BYTES);
  for (let from = 0; from < added.length; from += rows) {
    const to = Math.min(added.length, from + rows);
    yield { bytes: (to - from) * FLOW_WIRE_BYTES, tables: { flows: { table: added, from, to } } };
  }
  const changes = Math.floor(PART_BYTES_MAX / FLOW_CHANGE_WIRE_BYTES);
  for (let from = 0; from < changed.length; from += changes) {
    const to = Math.min(changed.length, from + changes);
    const bytes = (to - from) * FLOW_CHANGE_WIRE_BYTES;
    yield { bytes, tables: { flowChanges: { table: changed, from, to } } };
  }
  yield* idChunks(removed, (flowsRemoved) => ({ flowsRemoved }));
}

function* idChunks(ids: readonly number[], fields: (ids: Uint8Array) => Partial<Report>): Generator<Chunk> {
  const most = PART_BYTES_MAX / ID_BYTES;
  for (let from = 0; from < ids.length; from += most) {
    const column = Uint32Array.from(ids.slice(from, from + most));
    yield { bytes: column.byteLength, fields: fields(encodeColumn(column, 0, column.length)) };
  }
}

function* listChunks(ids: readonly number[], fields: (ids: number[]) => Partial<Report>): Generator<Chunk> {
  const most = PART_BYTES_MAX / 8;
  for (let from = 0; from < ids.length; from += most) {
    const chunk = ids.slice(from, from + most);
    yield { bytes: chunk.length * 5, fields: fields(chunk) };
  }
}

// The rows of each socket in a holder table, removed one socket at a time.
class HolderRuns {
  readonly #holders: HolderTable;
  readonly #starts = new Map<number, number>();

  constructor(holders: HolderTable) {
    this.#holders = holders;
    for (let row = holders.length - 1; row >= 0; row--) this.#starts.set(holders.socket[row]!, row);
  }

  /** Appends the rows of a socket to a table; returns how many. */
  take(socketId: number, into: HolderTable): number {
    const start = this.#starts.get(socketId);
    if (start === undefined) return 0;
    this.#starts.delete(socketId);
    const { socket, process, fd, length } = this.#holders;
    let row = start;
    for (; row < length && socket[row] === socketId; row++) into.append(socketId, process[row]!, fd[row]!);
    return row - start;
  }

  /** Yields what is left: holders of already known sockets, each socket's rows in one chunk. */
  *rest(): Generator<Chunk> {
    let holders = new HolderTable(64);
    for (const socketId of this.#starts.keys()) {
      this.take(socketId, holders);
      if (holders.length * HOLDER_WIRE_BYTES >= PART_BYTES_MAX / 2) {
        yield { bytes: holders.length * HOLDER_WIRE_BYTES, holders };
        holders = new HolderTable(64);
      }
    }
    if (holders.length > 0) yield { bytes: holders.length * HOLDER_WIRE_BYTES, holders };
  }
}
