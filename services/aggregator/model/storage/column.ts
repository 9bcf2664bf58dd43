// A table's column as everyone but the table itself sees it.

/** One number per row. Only the table that owns the column writes it. */
export interface Column {
  readonly length: number;
  readonly [row: number]: number;
}

/** An object with its read-only properties open to writing. */
export type Writable<Owner> = { -readonly [Name in keyof Owner]: Owner[Name] };

/** An object with its read-only properties open to writing: for the object itself alone. */
export function writable<Owner>(owner: Owner): Writable<Owner> {
  return owner;
}
