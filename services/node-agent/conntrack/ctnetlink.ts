// conntrack's netlink messages (include/uapi/linux/netfilter/nfnetlink_conntrack.h): the request for all entries, and
// an entry out of the payload of a dump's or an event's message. Their numbers are in network order, whatever the host.

import type { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { EntryField, Place, ZoneDirection } from "../../../lib/conntrack/conntrack-entry.ts";
import { tupleKind } from "../../../lib/conntrack/flow-words.ts";
import { dumpRequest } from "../kernel/netlink.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;

/** Types of messages: an entry that is there (dumps, NEW events), and one that is gone (DESTROY events). */
export const CtMessage = {
  new: NFNL_SUBSYS_CTNETLINK << 8,
  destroy: (NFNL_SUBSYS_CTNETLINK << 8) | 2,
} as const;

/** Multicast groups (include/uapi/linux/netfilter/nfnetlink_compat.h, enum nfnetlink_groups). */
export const CtGroup = { new: 1, update: 2, destroy: 3 } as const;

/** struct nfgenmsg: family, version, resource id. */
const GENERIC_BYTES = 4;
const AF_INET = 2;
const AF_INET6 = 10;

const Attribute = {
  tupleOriginal: 1,
  tupleReply: 2,
  status: 3,
  protocolInfo: 4,
  timeout: 7,
  mark: 8,
  countersOriginal: 9,
  countersReply: 10,
  references: 11,
  id: 12,
  zone: 18,
  timestamp: 20,
} as const;

/** The type of an attribute without its flags (NLA_F_NESTED, NLA_F_NET_BYTEORDER). */
const TYPE_MASK = 0x3fff;

/** The request for every entry of both families. It reads and resets nothing (CT_GET, not CT_GET_CTRZERO). */
export function conntrackDumpRequest(littleEndian: boolean): Uint8Array {
  return dumpRequest(
    (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
    new Uint8Array(GENERIC_BYTES),
    littleEndian,
  );
}

/** Reads payloads of messages into the same entry; one reader for one socket. */
export class CtnetlinkReader {
  readonly #entry: ConntrackEntry;
  readonly #littleEndian: boolean;
  #view: DataView = new DataView(new ArrayBuffer(0));
  #tuples = 0;
  #ok = true;

  constructor(entry: ConntrackEntry, littleEndian: boolean) {
    this.#entry = entry;
    this.#littleEndian = littleEndian;
  }

  /** Fills the entry from view bytes [start, end); false where they make no sense. Any bytes do no harm. */
  read(view: DataView, start: number, end: number): boolean {
    const entry = this.#entry;
    entry.clear();
    if (start + GENERIC_BYTES > end || end > view.byteLength) return false;
    const family = view.getUint8(start);
    if (family !== AF_INET && family !== AF_INET6) return false;
    entry.family = family === AF_INET ? 4 : 6;
    entry.has = EntryField.family;
    this.#view = view;
    this.#tuples = 0;
    this.#ok = true;
    this.#attributes(start + GENERIC_BYTES, end, this.#top);
    return this.#ok && this.#tuples === (1 << 4) - 1;
  }

  readonly #top = (type: number, at: number, end: number): void => {
    const entry = this.#entry;
    const view = this.#view;
    switch (type) {
      case Attribute.tupleOriginal:
        return this.#tuple(at, end, Place.originalSource);
      case Attribute.tupleReply:
        return this.#tuple(at, end, Place.replySource);
      case Attribute.status:
        if (end - at >= 4) entry.status = view.getUint32(at);
        return;
      case Attribute.timeout:
        if (end - at < 4) return;
        entry.timeoutSeconds = view.getUint32(at);
        entry.has |= EntryField.timeout;
        return;
      case Attribute.mark:
        if (end - at < 4) return;
        entry.mark = view.getUint32(at);
        entry.has |= EntryField.mark;
        return;
      case Attribute.references:
        if (end - at < 4) return;
        entry.references = view.getUint32(at);
        entry.has |= EntryField.references;
        return;
      case Attribute.id:
        if (end - at < 4) return;
        entry.id = view.getUint32(at);
        entry.has |= EntryField.id;
        return;
      case Attribute.zone:
        return this.#zone(at, end, ZoneDirection.both);
      case Attribute.protocolInfo:
        return this.#attributes(at, end, this.#protocolInfo);
      case Attribute.countersOriginal:
        this.#direction = Place.originalSource;
        return this.#attributes(at, end, this.#counter);
      case Attribute.countersReply:
        this.#direction = Place.replySource;
        return this.#attributes(at, end, this.#counter);
      case Attribute.timestamp:
        return this.#attributes(at, end, this.#time);
      default:
    }
  };

  // Which of the two tuples (its first Place) nested attributes belong to.
  #direction: number = Place.originalSource;

  #tuple(start: number, end: number, place: number): void {
    this.#direction = place;
    this.#attributes(start, end, this.#tuplePart);
  }

  readonly #tuplePart = (type: number, at: number, end: number): void => {
    if (type === 1) this.#attributes(at, end, this.#address);
    else if (type === 2) this.#attributes(at, end, this.#protocol);
    else if (type === 3)
      this.#zone(
        at,
        end,
        this.#direction === Place.originalSource ? ZoneDirection.original : ZoneDirection.reply,
      );
  };

  // CTA_IP_V4_SRC 1, _DST 2, CTA_IP_V6_SRC 3, _DST 4.
  readonly #address = (type: number, at: number, end: number): void => {
    const { addresses, family } = this.#entry;
    const ipv6 = type > 2;
    if (type < 1 || type > 4 || ipv6 !== (family === 6) || end - at < (ipv6 ? 16 : 4)) {
      this.#ok = false;
      return;
    }
    const place = this.#direction + ((type - 1) & 1);
    const first = place * 4;
    this.#tuples |= 1 << place;
    if (ipv6) {
      for (let i = 0; i < 4; i++) addresses[first + i] = this.#view.getUint32(at + 4 * i);
    } else {
      addresses[first + 2] = 0xffff;
      addresses[first + 3] = this.#view.getUint32(at);
    }
  };

  // CTA_PROTO_NUM 1, _SRC_PORT 2, _DST_PORT 3, _ICMP_ID 4, _TYPE 5, _CODE 6, _ICMPV6_ID 7, _TYPE 8, _CODE 9.
  readonly #protocol = (type: number, at: number, end: number): void => {
    const { ports } = this.#entry;
    const view = this.#view;
    const source = this.#direction;
    const destination = source + 1;
    if (type === 1) {
      if (end - at < 1) return;
      this.#entry.protocol = view.getUint8(at);
      this.#entry.tuple = tupleKind(this.#entry.protocol);
    } else if (type === 5 || type === 8) {
      if (end - at >= 1) ports[destination] = (ports[destination]! & 0xff) | (view.getUint8(at) << 8);
    } else if (type === 6 || type === 9) {
      if (end - at >= 1) ports[destination] = (ports[destination]! & 0xff00) | view.getUint8(at);
    } else if (end - at >= 2) {
      if (type === 2 || type === 4 || type === 7) ports[source] = view.getUint16(at);
      else if (type === 3) ports[destination] = view.getUint16(at);
    }
  };

  // CTA_PROTOINFO_TCP 1, _DCCP 2, _SCTP 3: the state is the first attribute of each.
  readonly #protocolInfo = (type: number, at: number, end: number): void => {
    if (type >= 1 && type <= 3) this.#attributes(at, end, this.#state);
  };

  readonly #state = (type: number, at: number, end: number): void => {
    if (type !== 1 || end - at < 1) return;
    this.#entry.state = this.#view.getUint8(at);
    this.#entry.has |= EntryField.state;
  };

  // CTA_COUNTERS_PACKETS 1, _BYTES 2: 64 bits each, of which 53 are kept.
  readonly #counter = (type: number, at: number, end: number): void => {
    if (type < 1 || type > 2 || end - at < 8) return;
    this.#entry.counters[this.#direction + type - 1] = this.#uint64(at);
    this.#entry.has |= EntryField.counters;
  };

  // CTA_TIMESTAMP_START 1, _STOP 2: nanoseconds since 1970.
  readonly #time = (type: number, at: number, end: number): void => {
    if (end - at < 8) return;
    const timeMs = Math.floor(this.#uint64(at) / 1e6);
    if (type === 1) {
      this.#entry.startMs = timeMs;
      this.#entry.has |= EntryField.start;
    } else if (type === 2) {
      this.#entry.stopMs = timeMs;
      this.#entry.has |= EntryField.stop;
    }
  };

  #uint64(at: number): number {
    return this.#view.getUint32(at) * 2 ** 32 + this.#view.getUint32(at + 4);
  }

  #zone(at: number, end: number, direction: number): void {
    if (end - at < 2) return;
    this.#entry.zone = this.#view.getUint16(at);
    this.#entry.zoneDirection = direction;
    this.#entry.has |= EntryField.zone;
  }

  // struct nlattr: length and type in the host's order, two bytes each; attributes begin at multiples of four.
  #attributes(start: number, end: number, take: (type: number, at: number, end: number) => void): void {
    const view = this.#view;
    let at = start;
    while (at + 4 <= end) {
      const length = view.getUint16(at, this.#littleEndian);
      if (length < 4 || at + length > end) {
        this.#ok = false;
        return;
      }
      take(view.getUint16(at + 2, this.#littleEndian) & TYPE_MASK, at + 4, at + length);
      at = (at + length + 3) & ~3;
    }
  }
}
