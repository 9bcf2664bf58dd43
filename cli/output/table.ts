// Tables: an answer's items as rows of escaped cells, laid out by content and cut to a terminal's width. Pure:
// what comes in are items, what goes out is text.

import type { Answer, AnswerEnd, AnswerHead } from "../ask/answer.ts";
import { escapeText } from "../text/escape-text.ts";
import { comparison } from "./order.ts";
import { fitText, padText, textWidth } from "../text/text-width.ts";
import type { CellContext, Column, InnerTable, Tone, View } from "../views/view.ts";

/** One row, ready to be laid out. */
export interface Row {
  /** Which item it shows. */
  readonly identity: string;
  readonly cells: readonly string[];
  /** The cells that do not change with time alone: a row changed where this did. */
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

/** Which columns and rows of an answer are shown. */
interface TableWishes {
  readonly wide: boolean;
  /** Key of the column to sort by; null for the view's own order. */
  readonly sort: string | null;
  /** Rows kept after sorting; 0 for all. */
  readonly limit: number;
}

/** Spaces between two columns, as kubectl has them. */
const GAP = "   ";
/** A column is never cut below this many columns of the terminal. */
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
  const columns = shownColumns(view, wishes.wide);
  const context = { nowMs: head.timeMs, wide: wishes.wide };
  items.sort(comparison(view, wishes.sort));
  const kept = wishes.limit > 0 ? items.slice(0, wishes.limit) : items;
  return {
    head,
    headers: columns.map((column) => column.header),
    rows: kept.map((item) => rowOf(view, columns, item, context)),
    end: kept.length < items.length ? { ...end, complete: false } : end,
  };
}

/** The table of what an answer's coverage holds; its items are in order already. */
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

/** The columns that are shown. */
export function shownColumns<Item>(view: View<Item>, wide: boolean): ReadonlyArray<Column<Item>> {
  return view.columns.filter((column) => wide || column.wide !== true);
}

/** One item as a row. */
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
 * The width of every column: by content, where columnsMax is given cut until a line fits it, the widest first.
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

/** One line of a table, without white space at its end. */
export function tableLine(cells: readonly string[], widths: readonly number[]): string {
  return cells
    .map((cell, index) => padText(fitText(cell, widths[index] ?? 0), widths[index] ?? 0))
    .join(GAP)
    .trimEnd();
}
