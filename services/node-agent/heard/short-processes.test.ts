// The openers of connections of processes that are too short for a scan.

import path from "node:path";
import { describe, it } from "node:test";

import { runInNamespaces } from "../testing/own-namespaces.ts";
import { withoutEvents } from "./testing/without-events.ts";

const script = path.join(import.meta.dirname, "testing/short-processes.ts");

describe("processes that are gone before any pass", { skip: withoutEvents() }, () => {
  it("are named by what the kernel reports", (t) => runInNamespaces(t, script));
});
