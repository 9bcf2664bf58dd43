// The table that events keep against the kernel's own, after random operations on real sockets.

import { describe, it } from "node:test";

import { runInNamespaces } from "./testing/own-namespaces.ts";
import { withoutEvents } from "./testing/without-events.ts";

describe("the table that events keep", { skip: withoutEvents() }, () => {
  it("is the kernel's after random operations", (t) => runInNamespaces(t, "kept-table.ts"));
});
