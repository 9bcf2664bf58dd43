// conntrack's netlink messages (include/uapi/linux/netfilter/nfnetlink_conntrack.h): the request for all
// entries, and the parser of an entry in the payload of a dump's or an event's message. Values are in network
// order on every host.

import type { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { EntryField, Place, ZoneDirection } from "../../../lib/conntrack/conntrack-entry.ts";
import { tupleKind } from "../../../lib/conntrack/tuple-kind.ts";
import { uint64 } from "../kernel/byte-order.ts";
import { AF_INET, AF_INET6, NFGENMSG_BYTES, NLA_TYPE_MASK } from "../kernel/constants.ts";
import { MessageLayout } from "./message-layout.ts";
import { dumpRequest } from "../kernel/netlink/netlink.ts";

const NFNL_SUBSYS_CTNETLINK = 1;
const IPCTNL_MSG_CT_GET = 1;
const IPCTNL_MSG_CT_GET_STATS_CPU = 4;

/** Message types: an existing entry (dumps, NEW events), and one that was destroyed (DESTROY events). */
export const CtMessage = {
  new: NFNL_SUBSYS_CTNETLINK << 8,
  destroy: (NFNL_SUBSYS_CTNETLINK << 8) | 2,
} as const;

/** Multicast groups (include/uapi/linux/netfilter/nfnetlink_compat.h, enum nfnetlink_groups). */
export const CtGroup = { new: 1, update: 2, destroy: 3 } as const;

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

/**
 * Builds the request for every entry of both families. It only reads and resets nothing (CT_GET, not
 * CT_GET_CTRZERO).
 */
export function conntrackDumpRequest(littleEndian: boolean): Uint8Array {
  return dumpRequest(
    (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET,
    new Uint8Array(NFGENMSG_BYTES),
    littleEndian,
  );
}

/**
 * Builds the request for the statistics of each processor: the smallest possible request, which makes the
 * kernel load conntrack.
 */
export function conntrackStatisticsRequest(littleEndian: boolean): Uint8Array {
  return dumpRequest(
    (NFNL_SUBSYS_CTNETLINK << 8) | IPCTNL_MSG_CT_GET_STATS_CPU,
    new Uint8Array(NFGENMSG_BYTES),
    littleEndian,
  );
}

/** Maximum length of a message whose layout is cached; an ordinary entry has some 200 bytes. */
const LAYOUT_BYTES_MAX = 512;

/**
 * Attempts to cache a layout per message length; if messages of one length keep looking different, the reader
 * walks them.
 */
const LAYOUT_TRIES_MAX = 16;

/**
 * Parses message payloads into one reused entry; use one reader per socket. About 0.1 µs per message, without
 * allocation.
 */
export class CtnetlinkReader {
  readonly #entry: ConntrackEntry;
  readonly #littleEndian: boolean;
  // Cached layouts by message length.
  readonly #layouts: (MessageLayout | null)[] = Array.from({ length: LAYOUT_BYTES_MAX + 1 }, () => null);
  // Attempts to cache a layout, by message length.
  readonly #tries = new Uint8Array(LAYOUT_BYTES_MAX + 1);

  constructor(entry: ConntrackEntry, littleEndian: boolean) {
    this.#entry = entry;
    this.#littleEndian = littleEndian;
  }

  /**
   * Fills the entry from bytes [start, end) of the view; returns false if they are malformed. Safe for any
   * bytes.
   */
  read(view: DataView, start: number, end: number): boolean {
    const length = end - start;
    if (end > view.byteLength || length > LAYOUT_BYTES_MAX) return this.#walk(view, start, end);
    const layout = this.#layouts[length];
    if (layout !== null && layout !== undefined && layout.read(view, start, this.#entry, this.#littleEndian))
      return true;
    if (!this.#walk(view, start, end)) return false;
    if (length >= 0 && this.#tries[length]! < LAYOUT_TRIES_MAX) {
      this.#tries[length]!++;
      this.#layouts[length] = MessageLayout.of(view, start, end, this.#entry, this.#littleEndian);
    }
    return true;
  }

  #walk(view: DataView, start: number, end: number): boolean {
    const entry = this.#entry;
    const littleEndian = this.#littleEndian;
    entry.clearNumbers();
    if (start + NFGENMSG_BYTES > end || end > view.byteLength) return false;
    const family = view.getUint8(start);
    if (family !== AF_INET && family !== AF_INET6) return false;
    entry.family = family === AF_INET ? 4 : 6;
    entry.has = EntryField.family;
    let tuples = 0;
    // struct nlattr: length and type in host order, two bytes each; attributes are aligned to four bytes. The
    // loop is repeated in each method: a walker with a callback for each attribute would cost three times as
    // much.
    for (let next = start + NFGENMSG_BYTES; next + 4 <= end;) {
      const header = view.getUint32(next, littleEndian);
      const length = littleEndian ? header & 0xffff : header >>> 16;
      if (length < 4 || next + length > end) return false;
      const at = next + 4;
      const last = next + length;
      switch (typeOf(header, littleEndian)) {
        case Attribute.tupleOriginal:
          tuples |= this.#tuple(view, at, last, Place.originalSource);
          break;
        case Attribute.tupleReply:
          tuples |= this.#tuple(view, at, last, Place.replySource);
          break;
        case Attribute.status:
          if (length >= 8) entry.status = view.getUint32(at);
          break;
        case Attribute.timeout:
          if (length < 8) break;
          entry.timeoutSeconds = view.getUint32(at);
          entry.has |= EntryField.timeout;
          break;
        case Attribute.mark:
          if (length < 8) break;
          entry.mark = view.getUint32(at);
          entry.has |= EntryField.mark;
          break;
        case Attribute.references:
          if (length < 8) break;
          entry.references = view.getUint32(at);
          entry.has |= EntryField.references;
          break;
        case Attribute.id:
          if (length < 8) break;
          entry.id = view.getUint32(at);
          entry.has |= EntryField.id;
          break;
        case Attribute.zone:
          this.#zone(view, at, last, ZoneDirection.both);
          break;
        case Attribute.protocolInfo:
          if (!this.#protocolInfo(view, at, last)) return false;
          break;
        case Attribute.countersOriginal:
          if (!this.#counters(view, at, last, Place.originalSource)) return false;
          break;
        case Attribute.countersReply:
          if (!this.#counters(view, at, last, Place.replySource)) return false;
          break;
        case Attribute.timestamp:
          if (!this.#times(view, at, last)) return false;
          break;
        default:
      }
      next = (last + 3) & ~3;
    }
    return tuples === ALL_PLACES;
  }

  // Returns the places that were filled, as bits; the MALFORMED bit is set if the bytes are malformed.
  #tuple(view: DataView, start: number, end: number, place: number): number {
    const littleEndian = this.#littleEndian;
    let filled = 0;
    for (let next = start; next + 4 <= end;) {
      const header = view.getUint32(next, littleEndian);
      const length = littleEndian ? header & 0xffff : header >>> 16;
      if (length < 4 || next + length > end) return MALFORMED;
      const at = next + 4;
      const last = next + length;
      switch (typeOf(header, littleEndian)) {
        case 1:
          filled |= this.#addresses(view, at, last, place);
          break;
        case 2:
          if (!this.#protocol(view, at, last, place)) return MALFORMED;
          break;
        case 3:
          this.#zone(
            view,
            at,
            last,
            place === Place.originalSource ? ZoneDirection.original : ZoneDirection.reply,
          );
          break;
        default:
      }
      next = (last + 3) & ~3;
    }
    return filled;
  }

  // CTA_IP_V4_SRC 1, _DST 2, CTA_IP_V6_SRC 3, _DST 4.
  #addresses(view: DataView, start: number, end: number, source: number): number {
    const { addresses, family } = this.#entry;
    const littleEndian = this.#littleEndian;
    const types = family === 4 ? 1 : 3;
    const bytes = family === 4 ? 4 : 16;
    let filled = 0;
    for (let next = start; next + 4 <= end;) {
      const header = view.getUint32(next, littleEndian);
      const length = littleEndian ? header & 0xffff : header >>> 16;
      const which = typeOf(header, littleEndian) - types;
      if (which < 0 || which > 1 || length < 4 + bytes || next + length > end) return MALFORMED;
      const place = source + which;
      const first = place * 4;
      filled |= 1 << place;
      if (family === 4) {
        addresses[first] = 0;
        addresses[first + 1] = 0;
        addresses[first + 2] = 0xffff;
        addresses[first + 3] = view.getUint32(next + 4);
      } else {
        for (let i = 0; i < 4; i++) addresses[first + i] = view.getUint32(next + 4 + 4 * i);
      }
      next = (next + length + 3) & ~3;
    }
    return filled;
  }

  // CTA_PROTO_NUM 1, _SRC_PORT 2, _DST_PORT 3, _ICMP_ID 4, _TYPE 5, _CODE 6, _ICMPV6_ID 7, _TYPE 8, _CODE 9.
  #protocol(view: DataView, start: number, end: number, source: number): boolean {
    const entry = this.#entry;
    const { ports } = entry;
    const littleEndian = this.#littleEndian;
    const destination = source + 1;
    for (let next = start; next + 4 <= end;) {
      const header = view.getUint32(next, littleEndian);
      const length = littleEndian ? header & 0xffff : header >>> 16;
      if (length < 5 || next + length > end) return false;
      const at = next + 4;
      const type = typeOf(header, littleEndian);
      if (type === 1) {
        entry.protocol = view.getUint8(at);
        entry.tuple = tupleKind(entry.protocol);
      } else if (type === 5 || type === 8) {
        ports[destination] = (ports[destination]! & 0xff) | (view.getUint8(at) << 8);
      } else if (type === 6 || type === 9) {
        ports[destination] = (ports[destination]! & 0xff00) | view.getUint8(at);
      } else if (length >= 6) {
        if (type === 2 || type === 4 || type === 7) ports[source] = view.getUint16(at);
        else if (type === 3) ports[destination] = view.getUint16(at);
      }
      next = (next + length + 3) & ~3;
    }
    return true;
  }

  // CTA_PROTOINFO_TCP 1, _DCCP 2, _SCTP 3: the state is the first attribute of each, one byte.
  #protocolInfo(view: DataView, start: number, end: number): boolean {
    const littleEndian = this.#littleEndian;
    if (start + 4 > end) return true;
    const type = view.getUint16(start + 2, littleEndian) & NLA_TYPE_MASK;
    const last = start + view.getUint16(start, littleEndian);
    if (last < start + 4 || last > end) return false;
    if (type < 1 || type > 3) return true;
    for (let next = start + 4; next + 4 <= last;) {
      const header = view.getUint32(next, littleEndian);
      const length = littleEndian ? header & 0xffff : header >>> 16;
      if (length < 4 || next + length > last) return false;
      if (typeOf(header, littleEndian) === 1 && length > 4) {
        this.#entry.state = view.getUint8(next + 4);
        this.#entry.has |= EntryField.state;
        return true;
      }
      next = (next + length + 3) & ~3;
    }
    return true;
  }

  // CTA_COUNTERS_PACKETS 1, _BYTES 2: 64 bits each; 53 of them are kept.
  #counters(view: DataView, start: number, end: number, direction: number): boolean {
    const littleEndian = this.#littleEndian;
    for (let next = start; next + 4 <= end;) {
      const header = view.getUint32(next, littleEndian);
      const length = littleEndian ? header & 0xffff : header >>> 16;
      if (length < 4 || next + length > end) return false;
      const type = typeOf(header, littleEndian);
      if (type >= 1 && type <= 2 && length >= 12) {
        this.#entry.counters[direction + type - 1] = uint64(view, next + 4, false);
        this.#entry.has |= EntryField.counters;
      }
      next = (next + length + 3) & ~3;
    }
    return true;
  }

  // CTA_TIMESTAMP_START 1, _STOP 2: nanoseconds since 1970.
  #times(view: DataView, start: number, end: number): boolean {
    const littleEndian = this.#littleEndian;
    for (let next = start; next + 4 <= end;) {
      const header = view.getUint32(next, littleEndian);
      const length = littleEndian ? header & 0xffff : header >>> 16;
      if (length < 4 || next + length > end) return false;
      const type = typeOf(header, littleEndian);
      if (type >= 1 && type <= 2 && length >= 12) {
        const timeMs = Math.floor(uint64(view, next + 4, false) / 1e6);
        if (type === 1) this.#entry.startMs = timeMs;
        else this.#entry.stopMs = timeMs;
        this.#entry.has |= type === 1 ? EntryField.start : EntryField.stop;
      }
      next = (next + length + 3) & ~3;
    }
    return true;
  }

  #zone(view: DataView, at: number, end: number, direction: number): void {
    if (end - at < 2) return;
    this.#entry.zone = view.getUint16(at);
    this.#entry.zoneDirection = direction;
    this.#entry.has |= EntryField.zone;
  }
}

/** Bits of the four places, and one more bit for malformed bytes. */
const ALL_PLACES = (1 << 4) - 1;
const MALFORMED = 1 << 4;

// Extracts the type from an attribute's header that was read as one number, length and type together.
function typeOf(header: number, littleEndian: boolean): number {
  return (littleEndian ? header >>> 16 : header) & NLA_TYPE_MASK;
}
