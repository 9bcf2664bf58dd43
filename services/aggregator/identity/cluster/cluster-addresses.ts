// Who owned an address when. An address passes from one owner to the next, and both sources (the API server's
// watches, the nodes' reports) report it late, so each span has three times: the earliest at which the owner
// may have had the address, the first at which it certainly had it, and the end.

/** Spans kept per address; beyond that, the one that ended first is evicted. */
export const SPANS_PER_ADDRESS_MAX = 16;
/** Addresses kept: 2^19, three for each pod of a cluster of the largest supported size (150,000). */
const ADDRESSES_MAX = 2 ** 19;

interface Span {
  /** Uid of the owner. */
  readonly owner: string;
  earliestMs: number;
  certainMs: number;
  /** Infinity while it lasts. */
  untilMs: number;
}

/** Spans of ownership by address. Times are milliseconds since 1970 by the stream's clock. */
export class AddressSpans {
  /** Spans dropped because a limit was reached, since start. */
  overflowed = 0;
  readonly #spans = new Map<string, Span[]>();

  /** Number of addresses. */
  get size(): number {
    return this.#spans.size;
  }

  /**
   * Records that an owner certainly has an address at `certainMs` and may have had it since `earliestMs`.
   * Repeated calls only move both times earlier. Returns whether anything changed.
   */
  hold(address: string, owner: string, earliestMs: number, certainMs: number): boolean {
    const spans = this.#spans.get(address) ?? [];
    const earliest = Math.min(earliestMs, certainMs);
    const known = spans.findLast((span) => span.owner === owner);
    // An owner that regains an address after losing it starts a new span.
    if (known !== undefined && certainMs <= known.untilMs) {
      if (earliest >= known.earliestMs && certainMs >= known.certainMs) return false;
      known.earliestMs = Math.min(known.earliestMs, earliest);
      known.certainMs = Math.min(known.certainMs, certainMs);
      return true;
    }
    if (spans.length === 0) {
      if (this.#spans.size >= ADDRESSES_MAX) {
        this.overflowed++;
        return false;
      }
      this.#spans.set(address, spans);
    }
    spans.push({ owner, earliestMs: earliest, certainMs, untilMs: Infinity });
    if (spans.length > SPANS_PER_ADDRESS_MAX) {
      this.overflowed++;
      spans.splice(indexOfFirstEnded(spans), 1);
    }
    return true;
  }

  /**
   * Ends an owner's span; a span that has ended already only moves to an earlier end. Returns whether it
   * changed.
   */
  release(address: string, owner: string, untilMs: number): boolean {
    const span = this.#spans.get(address)?.findLast((candidate) => candidate.owner === owner);
    if (span === undefined || span.untilMs <= untilMs) return false;
    span.untilMs = Math.max(untilMs, span.earliestMs);
    span.certainMs = Math.min(span.certainMs, span.untilMs);
    return true;
  }

  /** Moves the presumed end of a span to a later time. */
  extend(address: string, owner: string, untilMs: number): void {
    const span = this.#spans.get(address)?.findLast((candidate) => candidate.owner === owner);
    if (span !== undefined && span.untilMs < untilMs) span.untilMs = untilMs;
  }

  /** The uid of the owner at a time; undefined if nobody is known to have had the address then. */
  ownerAt(address: string, timeMs: number): string | undefined {
    const spans = this.#spans.get(address);
    if (spans === undefined) return undefined;
    let certain: Span | undefined;
    let possible: Span | undefined;
    for (const span of spans) {
      if (timeMs < span.earliestMs || timeMs >= span.untilMs) continue;
      if (timeMs >= span.certainMs) {
        // Two owners at once: the end of the older span was reported late.
        if (certain === undefined || span.certainMs >= certain.certainMs) certain = span;
      } else if (possible === undefined || span.untilMs < possible.untilMs) {
        // Neither is certain yet: the span that ends first comes before the other.
        possible = span;
      }
    }
    return (certain ?? possible)?.owner;
  }

  /** Whether anybody is known to have had the address at any time. */
  has(address: string): boolean {
    return this.#spans.has(address);
  }

  /** Forgets the spans that ended before a time. */
  forget(beforeMs: number): void {
    for (const [address, spans] of this.#spans) {
      const kept = spans.filter((span) => span.untilMs >= beforeMs);
      if (kept.length === 0) this.#spans.delete(address);
      else if (kept.length < spans.length) this.#spans.set(address, kept);
    }
  }
}

function indexOfFirstEnded(spans: readonly Span[]): number {
  let first = 0;
  for (const [index, span] of spans.entries()) if (span.untilMs < spans[first]!.untilMs) first = index;
  return first;
}
