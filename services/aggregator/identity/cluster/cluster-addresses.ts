// Who had an address when. An address passes from one owner to the next, and what is told of that comes late
// and from two sides (the API server's watches, the nodes' reports), so each owner has three times: the
// earliest at which the address may have been its own, the first at which it certainly was, and the end.

/** Owners that one address is remembered with; the one that ended first goes when there are more. */
export const SPANS_PER_ADDRESS_MAX = 16;
/** Addresses remembered: 2^19, three for each pod of a cluster of the largest supported size (150,000). */
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
  /** Spans that were dropped for want of place, since start. */
  overflowed = 0;
  readonly #spans = new Map<string, Span[]>();

  /** Addresses remembered. */
  get size(): number {
    return this.#spans.size;
  }

  /**
   * Notes that an address is certainly an owner's at a time and may have been since an earlier one. Said
   * again, the times only widen. Gives whether anything became different.
   */
  hold(address: string, owner: string, earliestMs: number, certainMs: number): boolean {
    const spans = this.#spans.get(address) ?? [];
    const earliest = Math.min(earliestMs, certainMs);
    const known = spans.findLast((span) => span.owner === owner);
    // An owner that lost the address and has it again starts a new span.
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

  /** Notes that an owner no longer has an address; an end told before moves only to an earlier time. */
  release(address: string, owner: string, untilMs: number): boolean {
    const span = this.#spans.get(address)?.findLast((candidate) => candidate.owner === owner);
    if (span === undefined || span.untilMs <= untilMs) return false;
    span.untilMs = Math.max(untilMs, span.earliestMs);
    span.certainMs = Math.min(span.certainMs, span.untilMs);
    return true;
  }

  /** Moves an end that was only supposed to a later time. */
  extend(address: string, owner: string, untilMs: number): void {
    const span = this.#spans.get(address)?.findLast((candidate) => candidate.owner === owner);
    if (span !== undefined && span.untilMs < untilMs) span.untilMs = untilMs;
  }

  /** The uid of the owner at a time; undefined where nobody is known to have had it then. */
  ownerAt(address: string, timeMs: number): string | undefined {
    const spans = this.#spans.get(address);
    if (spans === undefined) return undefined;
    let certain: Span | undefined;
    let possible: Span | undefined;
    for (const span of spans) {
      if (timeMs < span.earliestMs || timeMs >= span.untilMs) continue;
      if (timeMs >= span.certainMs) {
        // Two at once: the end of the older one was told late.
        if (certain === undefined || span.certainMs >= certain.certainMs) certain = span;
      } else if (possible === undefined || span.untilMs < possible.untilMs) {
        // Neither is certain yet: the address went from the one that ended first to the other.
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
