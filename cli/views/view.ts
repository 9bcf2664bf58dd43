// The definition of a view: how the items of one kind of answer become columns, JSON, CSV and names. Printers
// depend only on this.

import type { Coverage, PodCoverage } from "../../lib/gen/whotalks/v1/query.ts";
import type { Json } from "../../lib/json/codec.ts";

/** The names of the views. */
export type ViewName = "edges" | "connections" | "listeners" | "unix" | "coverage";

/** Inputs of a cell besides its item. */
export interface CellContext {
  /** When the answer was produced, in milliseconds since 1970: ages are relative to it. */
  readonly nowMs: number;
  /** Whether the wide columns are shown too. */
  readonly wide: boolean;
}

/** One column of a table. */
export interface Column<Item> {
  /** Its name in --sort. */
  readonly key: string;
  readonly header: string;
  /** Shown only by -o wide. */
  readonly wide?: boolean;
  /** Changes merely with time (an age): does not mark a row as changed. */
  readonly moving?: boolean;
  readonly smallestFirst?: boolean;
  /** The text shown; printers escape it, and show "-" if it is empty. */
  cell(item: Item, context: CellContext): string;
  /** The sort key: texts ascending; numbers descending, or ascending if smallestFirst is set. */
  rank(item: Item): string | number;
}

/** How a row is highlighted on a terminal with colours. */
export type Tone = "plain" | "quiet" | "bad";

/** A table of items in an answer's coverage, which -o wide prints below the answer's own. */
export interface InnerTable<Item> {
  items(coverage: Coverage): readonly Item[];
  readonly columns: ReadonlyArray<Column<Item>>;
  tone(item: Item): Tone;
}

/** How the items of one kind of answer are shown. */
export interface View<Item> {
  readonly name: ViewName;
  /** The kind of the JSON document. */
  readonly kind: "EdgeList" | "ConnectionList" | "ListenerList" | "Coverage";
  readonly one: string;
  readonly many: string;
  readonly columns: ReadonlyArray<Column<Item>>;
  /** Columns that --show-labels adds. */
  readonly labelColumns: ReadonlyArray<Column<Item>>;
  /** Keys of the columns that rows are sorted by if the user does not choose. */
  readonly order: readonly string[];
  readonly wideTable?: InnerTable<PodCoverage>;
  /** Columns of -o csv: the path of each value in the item's JSON. */
  readonly csv: readonly string[];
  json(item: Item): { [name: string]: Json };
  /** Identifies an item across answers. */
  identity(item: Item): string;
  /** What -o name prints: kind/name, without white space. */
  reference(item: Item): string;
  tone(item: Item): Tone;
}

/** A column for a count that changes with time; empty if unknown. */
export function countColumn<Item>(
  key: string,
  header: string,
  count: (item: Item) => number | undefined,
  wide = false,
): Column<Item> {
  return {
    key,
    header,
    wide,
    moving: true,
    cell: (item) => String(count(item) ?? ""),
    rank: (item) => count(item) ?? 0,
  };
}

/**
 * Encodes a part of a reference: percent-encodes white space and control characters, so that a reference stays
 * one word.
 */
export function referencePart(text: string): string {
  return text.replace(/[\s\u0000-\u001f\u007f-\u009f%~]|[^\u0000-\u007f]/gu, (character) =>
    encodeURIComponent(character.toWellFormed()),
  );
}

const byteUnits = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];

/** Formats a number of bytes like kubectl's quantities (12, 3.4Ki, 17Mi); empty if unknown. */
export function formatBytes(bytes: number | undefined): string {
  if (bytes === undefined) return "";
  let size = bytes;
  let unit = 0;
  while (size >= 1024 && unit < byteUnits.length - 1) {
    size /= 1024;
    unit++;
  }
  return `${unit > 0 && size < 10 ? size.toFixed(1) : Math.round(size)}${byteUnits[unit]}`;
}
