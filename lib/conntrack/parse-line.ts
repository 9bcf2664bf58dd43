// Parses one line of conntrack's text forms into an entry:
//
//   /proc/net/nf_conntrack   ipv4     2 tcp      6 431999 ESTABLISHED src=… dst=… sport=… dport=… src=… … [ASSURED] mark=0 zone=0 use=2
//   /proc/net/ip_conntrack   the same without "ipv4     2" (gone since 4.9; its lines are still met)
//   conntrack -L             either, with -o id, timestamp, ktimestamp, labels
//
// The kernel's side is net/netfilter/nf_conntrack_standalone.c ct_seq_show, the tool's
// libnetfilter_conntrack's snprintf_default.c. Only rare fields allocate memory: IPv6 addresses with "::",
// dates, contexts, labels.

import { parseAddress } from "../address.ts";
import type { ConntrackEntry } from "./conntrack-entry.ts";
import { EntryField, Place, translationOf, ZoneDirection } from "./conntrack-entry.ts";
import { parseTextTime } from "./text-time.ts";
import { conntrackProtocols, Protocol } from "../vocabulary/protocols.ts";
import { FlowStatus } from "./flow-status.ts";
import { flowStates } from "../vocabulary/states.ts";
import { TupleKind, tupleKind } from "./tuple-kind.ts";
import { WordTable } from "./word-table.ts";

const BLANK = 32;
const COMMA = 44;
const EQUALS = 61;
const BRACKET = 91;
const CLOSING_BRACKET = 93;
const COLON = 58;
const DOT = 46;

const families = new WordTable([
  ["ipv4", 4],
  ["ipv6", 6],
]);
const protocols = new WordTable(conntrackProtocols);

const Key = {
  src: 0,
  dst: 1,
  sport: 2,
  dport: 3,
  type: 4,
  code: 5,
  id: 6,
  srckey: 7,
  dstkey: 8,
  packets: 9,
  bytes: 10,
  mark: 11,
  zone: 12,
  "zone-orig": 13,
  "zone-reply": 14,
  use: 15,
  "delta-time": 16,
  timeout: 17,
  stream_timeout: 18,
  secctx: 19,
  helper: 20,
  labels: 21,
} as const;
const keys = new WordTable(Object.entries(Key));

const Flag = { "[UNREPLIED]": 0, "[ASSURED]": 1, "[OFFLOAD]": 2, "[HW_OFFLOAD]": 3 } as const;
const flags = new WordTable(Object.entries(Flag));

const stateTables = new Map(
  [Protocol.tcp, Protocol.sctp, Protocol.dccp].map((protocol) => [
    protocol as number,
    new WordTable(flowStates(protocol).map((word, state) => [word, state])),
  ]),
);

/** Parses lines into one reused entry; each reader needs its own parser. */
export class ConntrackLineParser {
  readonly #entry: ConntrackEntry;
  #bytes: Uint8Array = new Uint8Array(0);
  #end = 0;
  // The current field: bytes[at, fieldEnd).
  #at = 0;
  #fieldEnd = 0;
  #ok = true;
  // How many tuples have begun, and which of their parts were seen.
  #tuples = 0;
  #hasShortAddress = false;
  #parts = 0;
  #code = 0;

  constructor(entry: ConntrackEntry) {
    this.#entry = entry;
  }

  /**
   * Fills the entry from bytes[start, end); returns false if the line is malformed. Safe for arbitrary bytes.
   */
  parse(bytes: Uint8Array, start: number, end: number): boolean {
    this.#entry.clear();
    this.#bytes = bytes;
    this.#end = end;
    this.#fieldEnd = start;
    this.#ok = true;
    this.#tuples = 0;
    this.#hasShortAddress = false;
    this.#parts = 0;
    if (!this.#head()) return false;
    do {
      this.#field();
    } while (this.#ok && this.#next());
    return this.#ok && this.#finish();
  }

  #head(): boolean {
    const entry = this.#entry;
    if (!this.#next()) return false;
    const family = families.find(this.#bytes, this.#at, this.#fieldEnd);
    if (family >= 0) {
      entry.family = family;
      entry.has |= EntryField.family;
      if (!this.#next() || this.#number(this.#at, this.#fieldEnd) !== (family === 4 ? 2 : 10)) return false;
      if (!this.#next()) return false;
    }
    const named = protocols.find(this.#bytes, this.#at, this.#fieldEnd);
    if (named < 0 || !this.#next()) return false;
    entry.protocol = this.#number(this.#at, this.#fieldEnd);
    if (entry.protocol > 255 || (named > 0 && named !== entry.protocol)) return false;
    if (named === 0) entry.has |= EntryField.unnamedProtocol;
    if (!this.#next()) return false;
    if (isDigit(this.#bytes[this.#at]!)) {
      entry.timeoutSeconds = this.#number32(this.#at, this.#fieldEnd);
      entry.has |= EntryField.timeout;
      if (!this.#next()) return false;
    }
    const state = stateTables.get(entry.protocol)?.find(this.#bytes, this.#at, this.#fieldEnd) ?? -1;
    if (state >= 0) {
      entry.state = state;
      entry.has |= EntryField.state;
      return this.#next() && this.#ok;
    }
    return this.#ok;
  }

  #field(): void {
    const bytes = this.#bytes;
    if (bytes[this.#at] === BRACKET) return this.#bracket();
    const equals = this.#find(EQUALS, this.#at, this.#fieldEnd);
    if (equals < 0) {
      this.#ok = false;
      return;
    }
    const key = keys.find(bytes, this.#at, equals);
    // Skip a key that only a newer kernel knows; keep the entry.
    if (key >= 0) this.#value(key, equals + 1);
  }

  #value(key: number, start: number): void {
    const entry = this.#entry;
    const end = this.#fieldEnd;
    const side = this.#tuples === 2 ? Place.replySource : Place.originalSource;
    switch (key) {
      case Key.src:
        if (++this.#tuples > 2) this.#ok = false;
        else this.#address(this.#tuples === 2 ? Place.replySource : Place.originalSource, start, end);
        return;
      case Key.dst:
        return this.#address(side + 1, start, end);
      case Key.sport:
        return this.#port(TupleKind.ports, side, this.#number(start, end));
      case Key.dport:
        return this.#port(TupleKind.ports, side + 1, this.#number(start, end));
      case Key.srckey:
        return this.#port(TupleKind.greKeys, side, this.#hex(start, end));
      case Key.dstkey:
        return this.#port(TupleKind.greKeys, side + 1, this.#hex(start, end));
      case Key.type:
        return this.#port(TupleKind.icmp, side + 1, this.#number8(start, end) << 8);
      case Key.code:
        this.#code = this.#number8(start, end);
        entry.ports[side + 1] = entry.ports[side + 1]! | this.#code;
        return;
      case Key.id:
        // The word has two meanings: the id of an icmp tuple, which follows its code, and the entry's id at
        // the end.
        if (entry.tuple === TupleKind.icmp && (this.#parts & (1 << (side + 8))) === 0) {
          this.#parts |= 1 << (side + 8);
          return this.#port(TupleKind.icmp, side, this.#number(start, end));
        }
        entry.id = this.#number32(start, end);
        entry.has |= EntryField.id;
        return;
      case Key.packets:
      case Key.bytes:
        entry.counters[side + (key === Key.bytes ? 1 : 0)] = this.#number(start, end);
        entry.has |= EntryField.counters;
        return;
      case Key.mark:
        entry.mark = this.#number32(start, end);
        entry.has |= EntryField.mark;
        return;
      case Key.zone:
        return this.#zone(ZoneDirection.both, start, end);
      case Key["zone-orig"]:
        return this.#zone(ZoneDirection.original, start, end);
      case Key["zone-reply"]:
        return this.#zone(ZoneDirection.reply, start, end);
      case Key.use:
        entry.references = this.#number32(start, end);
        entry.has |= EntryField.references;
        return;
      case Key["delta-time"]:
        entry.ageSeconds = this.#number(start, end);
        entry.has |= EntryField.age;
        return;
      case Key.timeout:
        // "timeout=180, stream_timeout=180": gre only, before its tuples.
        entry.greTimeout = this.#number32(start, this.#bytes[end - 1] === COMMA ? end - 1 : end);
        entry.has |= EntryField.greTimeouts;
        return;
      case Key.stream_timeout:
        entry.greStreamTimeout = this.#number32(start, end);
        entry.has |= EntryField.greTimeouts;
        return;
      case Key.secctx:
        entry.securityContext = this.#text(start, end);
        return;
      case Key.helper:
        entry.helper = this.#text(start, end);
        return;
      case Key.labels:
        entry.labels = this.#text(start, end);
        return;
      default:
        this.#ok = false;
    }
  }

  #bracket(): void {
    const entry = this.#entry;
    switch (flags.find(this.#bytes, this.#at, this.#fieldEnd)) {
      case Flag["[UNREPLIED]"]:
        this.#parts |= UNREPLIED;
        return;
      case Flag["[ASSURED]"]:
        entry.status |= FlowStatus.assured;
        return;
      case Flag["[OFFLOAD]"]:
        entry.status |= FlowStatus.offload;
        return;
      case Flag["[HW_OFFLOAD]"]:
        entry.status |= FlowStatus.hardwareOffload;
        return;
      default:
        this.#time();
    }
  }

  // "[start=Sun Nov 22 12:02:14 2026]": the only field that contains blanks; it ends at its bracket.
  #time(): void {
    const close = this.#find(CLOSING_BRACKET, this.#at, this.#end);
    const equals = this.#find(EQUALS, this.#at, close);
    if (close < 0 || equals < 0) {
      this.#ok = false;
      return;
    }
    const word = this.#text(this.#at + 1, equals);
    const timeMs = parseTextTime(this.#text(equals + 1, close));
    this.#fieldEnd = close + 1;
    if (timeMs === null || (word !== "start" && word !== "stop")) {
      this.#ok = false;
      return;
    }
    if (word === "start") this.#entry.startMs = timeMs;
    else this.#entry.stopMs = timeMs;
    this.#entry.has |= word === "start" ? EntryField.start : EntryField.stop;
  }

  #finish(): boolean {
    const entry = this.#entry;
    // All four addresses are required; ports (or the protocol's equivalent) are required in both tuples or in
    // neither.
    const places = this.#parts & 0xf;
    const ports = (this.#parts >> 4) & 0xf;
    if (this.#tuples !== 2 || places !== 0xf || (ports !== 0 && ports !== 0xf)) return false;
    if (ports !== 0 && entry.tuple !== tupleKind(entry.protocol)) return false;
    entry.status |= FlowStatus.confirmed | translationOf(entry);
    if ((this.#parts & UNREPLIED) === 0) entry.status |= FlowStatus.seenReply;
    return true;
  }

  #port(kind: number, place: number, value: number): void {
    if (this.#tuples === 0 || value > 0xffff) this.#ok = false;
    if (this.#entry.tuple !== TupleKind.none && this.#entry.tuple !== kind) this.#ok = false;
    this.#entry.tuple = kind;
    this.#entry.ports[place] = value;
    this.#parts |= 1 << (place + 4);
  }

  #zone(direction: number, start: number, end: number): void {
    const entry = this.#entry;
    entry.zone = this.#number(start, end);
    if (entry.zone > 0xffff) this.#ok = false;
    entry.zoneDirection = direction;
    entry.has |= EntryField.zone;
  }

  #address(place: number, start: number, end: number): void {
    const { addresses } = this.#entry;
    if (this.#tuples === 0) this.#ok = false;
    this.#parts |= 1 << place;
    const first = place * 4;
    if (this.#find(COLON, start, end) >= 0) {
      const words = end - start <= LONGEST_ADDRESS ? parseAddress(this.#text(start, end)) : null;
      if (words === null || this.#familyDiffers(6)) {
        this.#ok = false;
        return;
      }
      addresses.set(words, first);
      // A short form can be as long as the long one: the line uses the long form only if every address in it
      // does.
      if (end - start !== LONG_ADDRESS) this.#hasShortAddress = true;
      if (this.#hasShortAddress) this.#entry.has &= ~EntryField.longAddresses;
      else this.#entry.has |= EntryField.longAddresses;
      return;
    }
    let word = 0;
    let part = 0;
    let dots = 0;
    let digits = 0;
    for (let i = start; i <= end; i++) {
      const byte = i === end ? DOT : this.#bytes[i]!;
      if (byte === DOT) {
        if (digits === 0 || digits > 3 || part > 255 || ++dots > 4) this.#ok = false;
        word = ((word << 8) | part) >>> 0;
        part = 0;
        digits = 0;
      } else {
        if (!isDigit(byte)) this.#ok = false;
        part = part * 10 + byte - 48;
        digits++;
      }
    }
    if (dots !== 4 || this.#familyDiffers(4)) this.#ok = false;
    addresses[first + 2] = 0xffff;
    addresses[first + 3] = word;
  }

  // The first address determines the family if the line does not name it.
  #familyDiffers(family: number): boolean {
    const entry = this.#entry;
    if ((this.#parts & 0xf) === 1 && (entry.has & EntryField.family) === 0) entry.family = family;
    return entry.family !== family;
  }

  #number(start: number, end: number): number {
    let value = 0;
    for (let i = start; i < end; i++) {
      const byte = this.#bytes[i]!;
      if (!isDigit(byte)) this.#ok = false;
      value = value * 10 + byte - 48;
    }
    if (start >= end || value > Number.MAX_SAFE_INTEGER) this.#ok = false;
    return value;
  }

  #number32(start: number, end: number): number {
    const value = this.#number(start, end);
    if (value > 0xffffffff) this.#ok = false;
    return value;
  }

  #number8(start: number, end: number): number {
    const value = this.#number(start, end);
    if (value > 255) this.#ok = false;
    return value;
  }

  #hex(start: number, end: number): number {
    const text = this.#text(start, Math.min(end, start + 10));
    if (!/^0x[0-9a-f]{1,4}$/.test(text)) this.#ok = false;
    return Number.parseInt(text, 16);
  }

  #text(start: number, end: number): string {
    return Buffer.from(this.#bytes.buffer, this.#bytes.byteOffset + start, end - start).toString("latin1");
  }

  // Uint8Array's indexOf would search the rest of the buffer (64 KiB) for a byte that the field lacks.
  #find(byte: number, start: number, end: number): number {
    for (let i = start; i < end; i++) if (this.#bytes[i] === byte) return i;
    return -1;
  }

  // Advances to the next field; returns false at the end of the line.
  #next(): boolean {
    const bytes = this.#bytes;
    let at = this.#fieldEnd;
    while (at < this.#end && bytes[at] === BLANK) at++;
    this.#at = at;
    while (at < this.#end && bytes[at] !== BLANK) at++;
    this.#fieldEnd = at;
    return at > this.#at;
  }
}

const UNREPLIED = 1 << 20;

/** Length of an IPv6 address in long form (%pI6), and the longest that any form has. */
const LONG_ADDRESS = 39;
const LONGEST_ADDRESS = 45;

function isDigit(byte: number): boolean {
  return byte >= 48 && byte <= 57;
}
