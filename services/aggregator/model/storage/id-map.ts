// Maps an agent's ids to slots. Agents reuse ids, so they are dense: pages of integers, allocated when an id
// in them is first used, cost four bytes per id and one lookup.

const PAGE_BITS = 10;
const PAGE_IDS = 2 ** PAGE_BITS;

/** Ids that agents may use: 0 to 2^24 - 1, more than the 2^22 sockets that one node can have. */
const AGENT_ID_MAX = 2 ** 24 - 1;

/** Slots by id. */
export class IdMap {
  readonly #pages: (Int32Array | undefined)[] = [];

  /** The slot of an id, or -1. */
  get(id: number): number {
    const page = this.#pages[id >>> PAGE_BITS];
    return page === undefined ? -1 : page[id & (PAGE_IDS - 1)]! - 1;
  }

  /** Sets the slot of an id; returns false if the id is above AGENT_ID_MAX. */
  set(id: number, slot: number): boolean {
    if (id > AGENT_ID_MAX) return false;
    const page = (this.#pages[id >>> PAGE_BITS] ??= new Int32Array(PAGE_IDS));
    page[id & (PAGE_IDS - 1)] = slot + 1;
    return true;
  }

  /** Removes an id. */
  delete(id: number): void {
    const page = this.#pages[id >>> PAGE_BITS];
    if (page !== undefined) page[id & (PAGE_IDS - 1)] = 0;
  }

  /** Returns all slots, by ascending id. */
  slots(): number[] {
    const slots: number[] = [];
    for (const page of this.#pages) {
      if (page === undefined) continue;
      for (let at = 0; at < PAGE_IDS; at++) if (page[at] !== 0) slots.push(page[at]! - 1);
    }
    return slots;
  }

  /** Removes all ids. */
  clear(): void {
    this.#pages.length = 0;
  }
}
