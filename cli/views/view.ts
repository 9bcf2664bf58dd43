// What a view is: how the items of one kind of answer become columns, JSON, CSV and names. The printers know
// no more.

import type { Coverage, PodCoverage } from "../../lib/gen/whotalks/v1/query.ts";
import type { Json } from "../../lib/json/codec.ts";

/** The names of the views that list something. */
export type ViewName = "edges" | "connections" | "listeners" | "unix" | "coverage";

/** What cells depend on besides their item. */
export interface CellContext {
  /** When the answer was made, in milliseconds since 1970: ages count from it. */
  readonly nowMs: number;
  /** Whether the wide columns are shown too. */
  readonly wide: boolean;
}

/** One column of a table. */
export interface Column<Item> {
  /** What --sort calls it. */
  readonly key: string;
  readonly header: string;
  /** Shown by -o wide only. */
  readonly wide?: boolean;
  /** Changes with time alone (an age): a row is not a changed one because of it. */
  readonly moving?: boolean;
  readonly smallestFirst?: boolean;
  /** The text shown; printers escape it, and show "-" where it is empty. */
  cell(item: Item, context: CellContext): string;
  /**
   * What --sort compares: texts from a to z, numbers from the largest, or the smallest where smallestFirst is
   * set.
   */
  rank(item: Item): string | number;
}

/** How a row stands out on a terminal with colours. */
export type Tone = "plain" | "quiet" | "bad";

/** A table that -o wide shows below an answer's own, of what its coverage holds. */
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
  /** Keys of the columns that rows are sorted by where the user says nothing. */
  readonly order: readonly string[];
  readonly wideTable?: InnerTable<PodCoverage>;
  /** Columns of -o csv: where each value stands in the item's JSON. */
  readonly csv: readonly string[];
  json(item: Item): { [name: string]: Json };
  /** Tells an item from all others, from one answer to the next. */
  identity(item: Item): string;
  /** What -o name prints: kind/name, without white space. */
  reference(item: Item): string;
  tone(item: Item): Tone;
}

/** A column of a count that moves with time; empty where it is not known. */
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
 * A part of a reference: white space and control characters percent-encoded, so that a reference stays one
 * word.
 */
export function referencePart(text: string): string {
  return text.replace(/[\s\u0000-\u001f\u007f-\u009f%~]|[^\u0000-\u007f]/gu, (character) =>
    encodeURIComponent(character.toWellFormed()),
  );
}

const byteUnits = ["", "Ki", "Mi", "Gi", "Ti", "Pi"];

/** A number of bytes as kubectl writes quantities (12, 3.4Ki, 17Mi); empty where not known. */
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
