// What found no room, since start, by what it was. Coverage shows the sum, metrics each.

/** Tables and queues that have a limit. */
export const overflowKinds = [
  "namespaces",
  "sockets",
  "listeners",
  "holders",
  "flows",
  "connections",
  "lone-connections",
  "edges",
  "retries",
] as const;
export type OverflowKind = (typeof overflowKinds)[number];

/** Counts by kind. */
export class Overflow {
  readonly #counts = new Map<OverflowKind, number>();
  #total = 0;

  /** Everything that found no room. */
  get total(): number {
    return this.#total;
  }

  add(kind: OverflowKind): void {
    this.#counts.set(kind, this.of(kind) + 1);
    this.#total++;
  }

  of(kind: OverflowKind): number {
    return this.#counts.get(kind) ?? 0;
  }
}
