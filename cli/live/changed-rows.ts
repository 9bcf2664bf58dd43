// A live table into a pipe: one line for every row that is new or changed since it was last printed.

import { columnWidths, type Row, tableLine } from "../output/table.ts";

/** Keeps what was printed. It knows no more rows than the last answer had. */
export class ChangedRows {
  #known = new Map<string, string>();
  #widths: number[] = [];

  /** The header's line; it makes the columns at least as wide. */
  header(headers: readonly string[], rows: readonly Row[]): string {
    this.#widths = columnWidths([headers, ...rows.map((row) => row.cells)], null);
    return `${tableLine(headers, this.#widths)}\n`;
  }

  /** The lines of the rows that are new or changed. */
  next(rows: readonly Row[]): string {
    const changed = rows.filter((row) => this.#known.get(row.identity) !== row.steady);
    this.#known = new Map(rows.map((row) => [row.identity, row.steady]));
    // Columns only grow, so that lines stay below each other as far as can be.
    for (const [index, width] of columnWidths(
      changed.map((row) => row.cells),
      null,
    ).entries()) {
      this.#widths[index] = Math.max(this.#widths[index] ?? 0, width);
    }
    return changed.map((row) => `${tableLine(row.cells, this.#widths)}\n`).join("");
  }
}
