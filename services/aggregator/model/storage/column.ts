// A table's column as everyone but the table itself sees it.

/** One number per row. Only the table that owns the column writes it. */
export interface Column {
  readonly length: number;
  readonly [row: number]: number;
}

/** An object whose read-only properties its owner may set. */
export type Writable<Owner> = { -readonly [Name in keyof Owner]: Owner[Name] };
