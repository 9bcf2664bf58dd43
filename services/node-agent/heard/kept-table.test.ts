// The table that events keep against the kernel's own, after random operations on real sockets.

import path from "node:path";
import { describe, it } from "node:test";

import { runInNamespaces } from "../testing/own-namespaces.ts";
import { withoutEvents } from "./testing/without-events.ts";

const script = path.join(import.meta.dirname, "testing/kept-table.ts");

describe("the table that events keep", { skip: withoutEvents() }, () => {
  it("is the kernel's after random operations", (t) => runInNamespaces(t, script));
});
