// Endpoint keys by number, so that an edge refers to its ends in eight bytes.

import type { AddressOwner } from "../../identity/identity.ts";
import type { EndpointKey } from "./endpoint-key.ts";
import { textOfKey } from "./endpoint-key.ts";

/** Endpoint keys by number, reference-counted by edges. Numbers are never reused. */
export class EndpointTable {
  readonly #byText = new Map<string, number>();
  readonly #rows = new Map<number, { key: EndpointKey; readonly text: string; references: number }>();
  #last = 0;

  /** Interns a key: returns its number, which is valid while an edge retains it. */
  intern(key: EndpointKey): number {
    const text = textOfKey(key);
    const known = this.#byText.get(text);
    if (known !== undefined) return known;
    const number = ++this.#last;
    this.#byText.set(text, number);
    this.#rows.set(number, { key, text, references: 0 });
    return number;
  }

  /** Updates the lookup data of an address whose owner is the same as before. */
  refresh(number: number, ownerVersion: number, askedForMs: number, owner: AddressOwner): void {
    const row = this.#rows.get(number);
    if (row?.key.kind === "address") row.key = { ...row.key, owner, ownerVersion, askedForMs };
  }

  /** The key with this number; undefined once no edge retains it. */
  get(number: number): EndpointKey | undefined {
    return this.#rows.get(number)?.key;
  }

  /** Removes a key that was interned only for a lookup and that no edge retains. */
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
