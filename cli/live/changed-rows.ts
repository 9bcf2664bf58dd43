// A live table written to a pipe: one line for every row that is new or changed since it was last printed.

import { columnWidths, type Row, tableLine } from "../output/table.ts";

/** Remembers what was printed: only the rows of the last answer. */
export class ChangedRows {
  #known = new Map<string, string>();
  #widths: number[] = [];

  /** Returns the header's line and widens the columns to fit the rows. */
  header(headers: readonly string[], rows: readonly Row[]): string {
    this.#widths = columnWidths([headers, ...rows.map((row) => row.cells)], null);
    return `${tableLine(headers, this.#widths)}\n`;
  }

  /** Returns the lines of the rows that are new or changed. */
  next(rows: readonly Row[]): string {
    const changed = rows.filter((row) => this.#known.get(row.identity) !== row.steady);
    this.#known = new Map(rows.map((row) => [row.identity, row.steady]));
    // Columns only grow, so that lines stay aligned as far as possible.
    for (const [index, width] of columnWidths(
      changed.map((row) => row.cells),
      null,
    ).entries()) {
      this.#widths[index] = Math.max(this.#widths[index] ?? 0, width);
    }
    return changed.map((row) => `${tableLine(row.cells, this.#widths)}\n`).join("");
  }
}
