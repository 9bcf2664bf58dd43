// Records of the program on inet_sock_set_state, made by hand.

import { addressBytes } from "../../../../lib/address.ts";
import { Protocol } from "../../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../../lib/vocabulary/states.ts";
import { hostIsLittleEndian } from "../../kernel/byte-order.ts";
import { TcpStateRecord as Record } from "../../kernel/bpf/trace/tcp-state-record.ts";
import { AF_INET, AF_INET6 } from "../../kernel/constants.ts";

/** A process in a record of SYN_SENT or LISTEN. */
export interface CallerShape {
  readonly pid: number;
  readonly parentPid?: number;
  readonly cgroup?: bigint;
  /** Nanoseconds since boot. */
  readonly startNs?: bigint;
  readonly mountNamespace?: number;
  readonly processNamespace?: number;
  readonly name?: string;
  readonly uid?: number;
}

/** The last figures in a record of CLOSE. */
export interface FiguresShape {
  readonly acked?: bigint;
  readonly received?: bigint;
  readonly sent?: bigint;
  readonly retransmitted?: bigint;
  readonly srtt?: number;
  readonly totalRetransmits?: number;
  readonly error?: number;
  readonly flags?: number;
  readonly segmentsIn?: number;
  readonly counted?: boolean;
  readonly sourcePort?: number;
}

/** What is in a record; the rest is zero. */
export interface RecordShape extends FiguresShape {
  readonly from: keyof typeof SocketState;
  readonly to: keyof typeof SocketState;
  readonly protocol?: number;
  readonly namespace?: number;
  readonly namespaceCookie?: bigint;
  readonly cookie?: bigint;
  readonly timeNs?: bigint;
  /** Of IPv4 "10.0.0.1"; of IPv6 "fd00::1" or "::ffff:10.0.0.1". */
  readonly local?: string;
  readonly localPort?: number;
  readonly remote?: string;
  readonly remotePort?: number;
  readonly inode?: number;
  readonly uid?: number;
  readonly caller?: CallerShape;
}

/** Bytes before the record, as in a ring buffer. */
const BEFORE = 24;

/** A record within a buffer. */
export interface MadeRecord {
  readonly view: DataView;
  readonly at: number;
  readonly length: number;
}

/** Makes a record as long as the program writes it for its new state. */
export function tcpStateRecord(shape: RecordShape): MadeRecord {
  const length = lengthOf(shape.to);
  const bytes = new Uint8Array(BEFORE + Record.closeBytes + 8).fill(0xee);
  bytes.fill(0, BEFORE, BEFORE + length);
  const view = new DataView(bytes.buffer);
  const field = new FieldWriter(view, BEFORE);
  view.setUint8(BEFORE + Record.oldState, SocketState[shape.from]);
  view.setUint8(BEFORE + Record.newState, SocketState[shape.to]);
  field.half(Record.protocol, shape.protocol ?? Protocol.tcp);
  field.word(Record.namespace, shape.namespace ?? 0);
  field.wide(Record.namespaceCookie, shape.namespaceCookie ?? 0n);
  field.wide(Record.cookie, shape.cookie ?? 0n);
  field.wide(Record.time, shape.timeNs ?? 0n);
  if (length >= Record.tupleBytes) writeTuple(view, field, shape);
  if (shape.to === "CLOSE") writeFigures(view, field, shape);
  else if (length === Record.callerBytes) writeCaller(field, shape.caller ?? { pid: 0 });
  return { view, at: BEFORE, length };
}

function lengthOf(state: keyof typeof SocketState): number {
  if (state === "CLOSE") return Record.closeBytes;
  if (state === "SYN_SENT" || state === "LISTEN") return Record.callerBytes;
  return state === "ESTABLISHED" ? Record.tupleBytes : Record.stateBytes;
}

function writeTuple(view: DataView, field: FieldWriter, shape: RecordShape): void {
  const { local = "0.0.0.0", remote = "0.0.0.0" } = shape;
  const isIpv6 = local.includes(":") || remote.includes(":");
  field.half(Record.family, isIpv6 ? AF_INET6 : AF_INET);
  field.half(Record.localPort, shape.localPort ?? 0);
  view.setUint16(BEFORE + Record.remotePort, shape.remotePort ?? 0);
  field.bytes(Record.local, isIpv6 ? wideBytes(local) : addressBytes(local)!);
  field.bytes(Record.remote, isIpv6 ? wideBytes(remote) : addressBytes(remote)!);
  field.word(Record.inode, shape.inode ?? 0);
  field.word(Record.uid, shape.uid ?? 0);
}

// addressBytes() gives four bytes of a mapped address.
function wideBytes(address: string): Uint8Array {
  const bytes = addressBytes(address)!;
  return bytes.length === 16 ? bytes : Uint8Array.of(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, ...bytes);
}

function writeCaller(field: FieldWriter, caller: CallerShape): void {
  field.word(Record.pid, caller.pid);
  field.word(Record.parentPid, caller.parentPid ?? 0);
  field.wide(Record.cgroup, caller.cgroup ?? 0n);
  field.wide(Record.start, caller.startNs ?? 0n);
  field.word(Record.mountNamespace, caller.mountNamespace ?? 0);
  field.word(Record.processNamespace, caller.processNamespace ?? 0);
  field.bytes(Record.name, Buffer.from(caller.name ?? ""));
  field.word(Record.processUid, caller.uid ?? 0);
}

function writeFigures(view: DataView, field: FieldWriter, figures: FiguresShape): void {
  field.wide(Record.bytesAcked, figures.acked ?? 0n);
  field.wide(Record.bytesReceived, figures.received ?? 0n);
  field.wide(Record.bytesSent, figures.sent ?? 0n);
  field.wide(Record.bytesRetrans, figures.retransmitted ?? 0n);
  field.word(Record.srtt, figures.srtt ?? 0);
  field.word(Record.totalRetrans, figures.totalRetransmits ?? 0);
  field.word(Record.error, figures.error ?? 0);
  field.word(Record.flags, figures.flags ?? 0);
  field.word(Record.segsIn, figures.segmentsIn ?? 0);
  field.half(Record.counted, (figures.counted ?? true) ? 1 : 0);
  view.setUint16(BEFORE + Record.sourcePort, figures.sourcePort ?? 0);
}

// Writes fields in the host's byte order.
class FieldWriter {
  readonly #view: DataView;
  readonly #at: number;

  constructor(view: DataView, at: number) {
    this.#view = view;
    this.#at = at;
  }

  half(field: number, value: number): void {
    this.#view.setUint16(this.#at + field, value, hostIsLittleEndian);
  }

  word(field: number, value: number): void {
    this.#view.setUint32(this.#at + field, value, hostIsLittleEndian);
  }

  wide(field: number, value: bigint): void {
    this.#view.setBigUint64(this.#at + field, value, hostIsLittleEndian);
  }

  bytes(field: number, bytes: Uint8Array): void {
    new Uint8Array(this.#view.buffer).set(bytes, this.#at + field);
  }
}
