// A column as everyone but its table sees it.

/** One number per row. Only the table that owns the column writes it. */
export interface Column {
  readonly length: number;
  readonly [row: number]: number;
}

/** A type with its read-only properties made writable. */
export type Writable<Owner> = { -readonly [Name in keyof Owner]: Owner[Name] };

/** Returns the object with its read-only properties made writable; only the object itself may use it. */
export function writable<Owner>(owner: Owner): Writable<Owner> {
  return owner;
}
