// Counts what was dropped because a table or queue was full, since start. Coverage and metrics show the sum;
// the kinds are for debugging.

/** Tables and queues with a limit. */
export type OverflowKind =
  | "namespaces"
  | "sockets"
  | "listeners"
  | "holders"
  | "flows"
  | "connections"
  | "lone-connections"
  | "edges"
  | "retries";

/** Counts by kind. */
export class Overflow {
  readonly #counts = new Map<OverflowKind, number>();
  #total = 0;

  /** Everything that was dropped. */
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
