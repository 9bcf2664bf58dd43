// A fast path for messages that look like an earlier one. The kernel writes the entries of a protocol alike:
// the same attributes with the same lengths in the same order. If every attribute's header is where it was, so
// are the values, and they are read without a walk, at a third of its cost.

import type { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { Place } from "../../../lib/conntrack/conntrack-entry.ts";
import { TupleKind, tupleKind } from "../../../lib/conntrack/tuple-kind.ts";
import { AF_INET, AF_INET6, NFGENMSG_BYTES, NLA_TYPE_MASK } from "../kernel/constants.ts";

/** Attributes that contain others, by their types from the outermost inward: tuples, protocol information. */
const nested = new Set(["1", "2", "1.1", "1.2", "2.1", "2.2", "4", "4.1", "4.2", "4.3"]);

/** Values by their attribute's types: the field and its minimum bytes. */
const values: Readonly<Record<string, readonly [name: keyof Offsets, bytes: number]>> = {
  "1.2.1": ["protocol", 1],
  "3": ["status", 4],
  "4.1.1": ["state", 1],
  "4.3.1": ["state", 1],
  "7": ["timeout", 4],
  "8": ["mark", 4],
  "11": ["references", 4],
  "12": ["id", 4],
};

/**
 * Attributes that the fast path supports; a message with any other attribute that an entry keeps is walked.
 */
const plain = /^(1|2)\.(1\.[1-4]|2\.[123])$|^(3|7|8|11|12)$|^4\.[13]\.\d+$/;
/** Attributes whose values an entry does not keep. */
const ignored = /^(6|13|15|16|17|19|21|22|23|24|25|26|27)$/;

/** Offsets of values from the start of a message's payload; -1 if it has none. */
interface Offsets {
  protocol: number;
  status: number;
  state: number;
  timeout: number;
  mark: number;
  references: number;
  id: number;
}

/** Positions of everything in messages of one kind. */
export class MessageLayout {
  readonly #headersAt: Int32Array;
  readonly #headers: Uint32Array;
  readonly #addressesAt: Int32Array;
  readonly #portsAt: Int32Array;
  readonly #offsets: Offsets;
  readonly #family: number;
  readonly #has: number;

  /**
   * Creates the layout of a message from which a walk has read `entry`; null if the fast path does not support
   * it.
   */
  static of(
    view: DataView,
    start: number,
    end: number,
    entry: ConntrackEntry,
    littleEndian: boolean,
  ): MessageLayout | null {
    const headersAt: number[] = [];
    const headers: number[] = [];
    const found = new Map<string, number>();
    const walk = (from: number, to: number, above: string): boolean => {
      for (let at = from; at + 4 <= to;) {
        const length = view.getUint16(at, littleEndian);
        const types = `${above}${view.getUint16(at + 2, littleEndian) & NLA_TYPE_MASK}`;
        if (found.has(types) || !(nested.has(types) || plain.test(types) || ignored.test(types)))
          return false;
        found.set(types, at + 4 - start);
        if (length - 4 < (values[types]?.[1] ?? 0)) return false;
        headersAt.push(at - start);
        headers.push(view.getUint32(at, littleEndian));
        if (nested.has(types) && !walk(at + 4, at + length, `${types}.`)) return false;
        at = (at + length + 3) & ~3;
      }
      return true;
    };
    if (entry.tuple !== TupleKind.ports || !walk(start + NFGENMSG_BYTES, end, "")) return null;
    const source = entry.family === 4 ? 1 : 3;
    const at = (types: string): number => found.get(types) ?? -1;
    const places = [
      [`1.1.${source}`, "1.2.2"],
      [`1.1.${source + 1}`, "1.2.3"],
      [`2.1.${source}`, "2.2.2"],
      [`2.1.${source + 1}`, "2.2.3"],
    ] as const;
    const offsets: Offsets = {
      protocol: -1,
      status: -1,
      state: -1,
      timeout: -1,
      mark: -1,
      references: -1,
      id: -1,
    };
    for (const [types, [name]] of Object.entries(values)) if (found.has(types)) offsets[name] = at(types);
    const addressesAt = places.map(([address]) => at(address));
    const portsAt = places.map(([, port]) => at(port));
    const whole = [...addressesAt, ...portsAt, offsets.protocol, at("2.2.1")].every((each) => each >= 0);
    return whole ? new MessageLayout({ headersAt, headers, addressesAt, portsAt, offsets, entry }) : null;
  }

  private constructor(parts: {
    headersAt: number[];
    headers: number[];
    addressesAt: number[];
    portsAt: number[];
    offsets: Offsets;
    entry: ConntrackEntry;
  }) {
    this.#headersAt = Int32Array.from(parts.headersAt);
    this.#headers = Uint32Array.from(parts.headers);
    this.#addressesAt = Int32Array.from(parts.addressesAt);
    this.#portsAt = Int32Array.from(parts.portsAt);
    this.#offsets = parts.offsets;
    this.#family = parts.entry.family;
    this.#has = parts.entry.has;
  }

  /**
   * Fills an entry from the bytes of the view at `start`; the message must be as long as the one that the
   * layout was made from. Returns false if it does not look the same; the entry's contents are then undefined.
   */
  read(view: DataView, start: number, entry: ConntrackEntry, littleEndian: boolean): boolean {
    const headers = this.#headers;
    const headersAt = this.#headersAt;
    if (view.getUint8(start) !== (this.#family === 4 ? AF_INET : AF_INET6)) return false;
    for (let i = 0; i < headers.length; i++)
      if (view.getUint32(start + headersAt[i]!, littleEndian) !== headers[i]) return false;
    const { protocol, status, state, timeout, mark, references, id } = this.#offsets;
    const number = view.getUint8(start + protocol);
    if (tupleKind(number) !== TupleKind.ports) return false;
    entry.clearNumbers();
    entry.family = this.#family;
    entry.has = this.#has;
    entry.protocol = number;
    entry.tuple = TupleKind.ports;
    const { addresses, ports } = entry;
    for (let place: number = Place.originalSource; place <= Place.replyDestination; place++) {
      const at = start + this.#addressesAt[place]!;
      const first = place * 4;
      if (this.#family === 4) {
        addresses[first] = 0;
        addresses[first + 1] = 0;
        addresses[first + 2] = 0xffff;
        addresses[first + 3] = view.getUint32(at);
      } else {
        for (let i = 0; i < 4; i++) addresses[first + i] = view.getUint32(at + 4 * i);
      }
      ports[place] = view.getUint16(start + this.#portsAt[place]!);
    }
    if (status >= 0) entry.status = view.getUint32(start + status);
    if (state >= 0) entry.state = view.getUint8(start + state);
    if (timeout >= 0) entry.timeoutSeconds = view.getUint32(start + timeout);
    if (mark >= 0) entry.mark = view.getUint32(start + mark);
    if (references >= 0) entry.references = view.getUint32(start + references);
    if (id >= 0) entry.id = view.getUint32(start + id);
    return true;
  }
}
