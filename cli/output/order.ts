// The order of rows: by the column that the user names, then by the view's own columns, so that rows of a live
// table keep their places unless something changes.

import type { Column, View } from "../views/view.ts";

/** Compares two items by their ranks; pass it to a sort. */
type Comparison<Item> = (left: Item, right: Item) => number;

/**
 * Returns the comparison that sorts a view's rows; `sort` is a column's key, or null for the view's own order.
 */
export function comparison<Item>(view: View<Item>, sort: string | null): Comparison<Item> {
  const own = view.order.map((key) => ascending(columnOf(view, key)));
  const chain = sort === null ? own : [asUsersWant(columnOf(view, sort)), ...own];
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
