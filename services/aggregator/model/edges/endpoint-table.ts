// Endpoint keys by number, so that an edge names its ends in eight bytes.

import type { AddressOwner } from "../../identity/identity.ts";
import type { EndpointKey } from "./endpoint-key.ts";
import { textOfKey } from "./endpoint-key.ts";

/** Endpoint keys by number, counted by the edges that name them. Numbers are never reused. */
export class EndpointTable {
  readonly #byText = new Map<string, number>();
  readonly #rows = new Map<number, { key: EndpointKey; readonly text: string; references: number }>();
  #last = 0;

  /** Interns a key: returns its number, which lasts while an edge retains it. */
  intern(key: EndpointKey): number {
    const text = textOfKey(key);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const number = ++this.#last;
    this.#byText.set(text, number);
    this.#rows.set(number, { key, text, references: 0 });
    return number;
  }

  /** Updates what is known of an address's owner, which is the same as before. */
  refresh(number: number, ownerVersion: number, askedForMs: number, owner: AddressOwner): void {
    const row = this.#rows.get(number);
    if (row?.key.kind === "address") row.key = { ...row.key, owner, ownerVersion, askedForMs };
  }

  /** The key with this number; undefined once no edge retains it. */
  get(number: number): EndpointKey | undefined {
    return this.#rows.get(number)?.key;
  }

  /** Forgets a key that was interned for a look-up only: no edge retains it. */
  drop(number: number): void {
    const row = this.#rows.get(number);
    if (row === undefined || row.references > 0) return;
    this.#byText.delete(row.text);
    this.#rows.delete(number);
  }

  retain(number: number): void {
    this.#rows.get(number)!.references++;
  }

  release(number: number): void {
    const row = this.#rows.get(number)!;
    if (--row.references > 0) return;
    this.#byText.delete(row.text);
    this.#rows.delete(number);
  }
}
