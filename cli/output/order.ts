// The order of rows: by the column that the user names, then by the view's own columns, so that rows of a live
// table keep their places unless something changes.

import type { Json } from "../../lib/json/codec.ts";
import { jsonLine } from "../../lib/json/list.ts";
import { FailureError } from "../command/errors.ts";
import { valuesAt } from "../jsonpath/evaluate.ts";
import type { Sort } from "../command/formats.ts";
import type { Column, View } from "../views/view.ts";

/** Compares two items by their ranks; pass it to a sort. */
type Comparison<Item> = (left: Item, right: Item) => number;

/**
 * Sorts a view's items in place; null sorts in the view's own order. Throws FailureError if no item has the field
 * to sort by.
 */
export function sortItems<Item>(view: View<Item>, items: Item[], sort: Sort | null): void {
  const own = view.order.map((key) => ascending(columnOf(view, key)));
  if (sort === null) items.sort(chained(own));
  else if ("column" in sort) items.sort(chained([asUsersWant(columnOf(view, sort.column)), ...own]));
  else items.sort(chained([byField(view, items, sort), ...own]));
}

// As with kubectl the smallest is first, and items without the field are before all others.
function byField<Item>(
  view: View<Item>,
  items: readonly Item[],
  { path, typed }: Extract<Sort, { typed: string }>,
): Comparison<Item> {
  const fields = new Map(items.map((item) => [item, valuesAt(path, view.json(item))[0]]));
  if (items.length > 0 && [...fields.values()].every((field) => field === undefined))
    throw new FailureError(`None of the ${view.many} has the field ${typed} to sort by.`);
  return (left, right) => compareFields(fields.get(left), fields.get(right));
}

function compareFields(left: Json | undefined, right: Json | undefined): number {
  if (left === undefined || right === undefined)
    return Number(left !== undefined) - Number(right !== undefined);
  if (typeof left === "number" && typeof right === "number") return left - right;
  return compareRanks(fieldText(left), fieldText(right));
}

function fieldText(field: Json): string {
  return typeof field === "string" ? field : jsonLine(field);
}

function chained<Item>(chain: ReadonlyArray<Comparison<Item>>): Comparison<Item> {
  return (left, right) => {
    for (const compare of chain) {
      const result = compare(left, right);
      if (result !== 0) return result;
    }
    return 0;
  };
}

/** Returns a view's column by its key. */
function columnOf<Item>(view: View<Item>, key: string): Column<Item> {
  const column = view.columns.find((candidate) => candidate.key === key);
  if (column === undefined) throw new TypeError(`the view of ${view.many} has no column ${key}`);
  return column;
}

function ascending<Item>(column: Column<Item>): Comparison<Item> {
  return (left, right) => compareRanks(column.rank(left), column.rank(right));
}

function asUsersWant<Item>(column: Column<Item>): Comparison<Item> {
  return (left, right) => {
    const rank = column.rank(left);
    const compared = compareRanks(rank, column.rank(right));
    return typeof rank === "number" && column.smallestFirst !== true ? -compared : compared;
  };
}

// By code unit, not by locale: the order is the same on every machine.
function compareRanks(left: string | number, right: string | number): number {
  if (left < right) return -1;
  return left > right ? 1 : 0;
}
