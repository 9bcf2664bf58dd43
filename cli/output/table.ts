// Tables: an answer's items as rows of escaped cells, laid out by content and cut to a terminal's width. Pure:
// items in, text out.

import type { Answer, AnswerEnd, AnswerHead } from "../ask/answer.ts";
import { escapeText } from "../text/escape-text.ts";
import type { CustomColumn, Sort, TableFormat } from "../command/formats.ts";
import { valuesAt, valueText } from "../jsonpath/evaluate.ts";
import { sortItems } from "./order.ts";
import { fitText, padText, textWidth } from "../text/text-width.ts";
import type { CellContext, Column, InnerTable, Tone, View } from "../views/view.ts";

/** One row, ready for layout. */
export interface Row {
  /** Identifies the item that it shows. */
  readonly identity: string;
  readonly cells: readonly string[];
  /** The cells that do not change merely with time: a row has changed if this has. */
  readonly steady: string;
  readonly tone: Tone;
}

/** A whole answer as rows. */
export interface Table {
  readonly head: AnswerHead;
  readonly headers: readonly string[];
  readonly rows: readonly Row[];
  readonly end: AnswerEnd;
}

/** Which columns to show. */
export interface ColumnWishes {
  readonly format: TableFormat;
  /** Whether to add the labels of pods. */
  readonly labels: boolean;
}

/** Which columns and rows to show. */
interface TableWishes extends ColumnWishes {
  /** Null for the view's own order. */
  readonly sort: Sort | null;
  /** Rows kept after sorting; 0 for all. */
  readonly limit: number;
}

/** Spaces between two columns, as in kubectl. */
const GAP = "   ";
/** A column is never cut below this width. */
const COLUMN_WIDTH_MIN = 4;

/** Reads a whole answer into a table. */
export async function readTable<Item>(
  view: View<Item>,
  answer: Answer<Item>,
  wishes: TableWishes,
): Promise<Table> {
  const items: Item[] = [];
  let head: AnswerHead | null = null;
  let end: AnswerEnd = { part: "end", complete: true, matched: 0 };
  for await (const part of answer) {
    if (part.part === "head") head = part;
    else if (part.part === "items") for (const item of part.items) items.push(item);
    else end = part;
  }
  if (head === null) throw new TypeError("an answer has a head");
  const columns = shownColumns(view, wishes);
  const context = { nowMs: head.timeMs, wide: wishes.format.name === "wide" };
  sortItems(view, items, wishes.sort);
  const kept = wishes.limit > 0 ? items.slice(0, wishes.limit) : items;
  return {
    head,
    headers: columns.map((column) => column.header),
    rows: kept.map((item) => rowOf(view, columns, item, context)),
    end: kept.length < items.length ? { ...end, complete: false } : end,
  };
}

/** Returns the table of items inside an answer's coverage; they are in order already. */
export function readInnerTable<Item>(
  inner: InnerTable<Item>,
  head: AnswerHead,
): Pick<Table, "headers" | "rows"> {
  const context = { nowMs: head.timeMs, wide: true };
  const rows = inner.items(head.coverage).map((item, place) => {
    const cells = cellsOf(inner.columns, item, context);
    return { identity: String(place), cells, steady: "", tone: inner.tone(item) };
  });
  return { headers: inner.columns.map((column) => column.header), rows };
}

/** Returns the columns to show. */
export function shownColumns<Item>(
  view: View<Item>,
  { format, labels }: ColumnWishes,
): ReadonlyArray<Column<Item>> {
  if (format.name === "custom-columns") return format.columns.map((column) => customColumn(view, column));
  const columns = view.columns.filter((column) => format.name === "wide" || column.wide !== true);
  return labels ? [...columns, ...view.labelColumns] : columns;
}

// kubectl shows <none> for what is missing, and several values with commas.
function customColumn<Item>(view: View<Item>, { header, path }: CustomColumn): Column<Item> {
  const cell = (item: Item): string => {
    const values = valuesAt(path, view.json(item));
    return values.length === 0 ? "<none>" : values.map(valueText).join(",");
  };
  return { key: header, header, cell, rank: cell };
}

/** Converts one item to a row. */
export function rowOf<Item>(
  view: View<Item>,
  columns: ReadonlyArray<Column<Item>>,
  item: Item,
  context: CellContext,
): Row {
  const cells = cellsOf(columns, item, context);
  return {
    identity: view.identity(item),
    cells,
    steady: cells.filter((_, index) => columns[index]!.moving !== true).join("\u0000"),
    tone: view.tone(item),
  };
}

function cellsOf<Item>(
  columns: ReadonlyArray<Column<Item>>,
  item: Item,
  context: CellContext,
): readonly string[] {
  return columns.map((column) => escapeText(column.cell(item, context)) || "-");
}

/**
 * Returns the width of every column: by content; if columnsMax is set, cut until a line fits it, widest column
 * first.
 */
export function columnWidths(lines: Iterable<readonly string[]>, columnsMax: number | null): number[] {
  const widths: number[] = [];
  for (const cells of lines) {
    for (const [index, cell] of cells.entries())
      widths[index] = Math.max(widths[index] ?? 0, textWidth(cell));
  }
  if (columnsMax === null) return widths;
  let excess = widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1) - columnsMax;
  while (excess > 0) {
    const widest = widths.indexOf(Math.max(...widths));
    if (widest < 0 || widths[widest]! <= COLUMN_WIDTH_MIN) break;
    widths[widest]!--;
    excess--;
  }
  return widths;
}

/** Returns one line of a table, without trailing white space. */
export function tableLine(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => padText(fitText(cell, widths[index] ?? 0), widths[index] ?? 0))
    .join(GAP)
    .trimEnd();
}
