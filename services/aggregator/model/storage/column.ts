// A table's column as everyone but the table itself sees it.

/** One number per row. Only the table that owns the column writes it. */
export interface Column {
  readonly length: number;
  readonly [row: number]: number;
}
