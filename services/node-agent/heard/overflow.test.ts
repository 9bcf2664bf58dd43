// Events that are lost because the ring buffer is full.

import path from "node:path";
import { describe, it } from "node:test";

import { runInNamespaces } from "../testing/own-namespaces.ts";
import { withoutEvents } from "./testing/without-events.ts";

const script = path.join(import.meta.dirname, "testing/overflow.ts");

describe("an overflow of the ring buffer", { skip: withoutEvents() }, () => {
  it("is counted and repaired by the next reading", (t) => runInNamespaces(t, script));
});
