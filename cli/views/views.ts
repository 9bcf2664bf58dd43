// All views by name.

import { connectionsView, unixView } from "./connections.ts";
import { coverageView } from "./coverage.ts";
import { edgesView } from "./edges.ts";
import { listenersView } from "./listeners.ts";
import type { ViewName } from "./view.ts";

/** Every view. */
export const views = {
  edges: edgesView,
  connections: connectionsView,
  listeners: listenersView,
  unix: unixView,
  coverage: coverageView,
} as const;

/** The keys of a view's columns: the values of --sort. */
export function viewColumnKeys(name: ViewName): string[] {
  return views[name].columns.map((column) => column.key);
}
