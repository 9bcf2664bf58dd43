// Who opened connections, where nobody could have looked in time.

import { describe, it } from "node:test";

import { runInNamespaces } from "./testing/own-namespaces.ts";
import { withoutEvents } from "./testing/without-events.ts";

describe("processes that are gone before any pass", { skip: withoutEvents() }, () => {
  it("are named by what the kernel reports", (t) => runInNamespaces(t, "short-processes.ts"));
});
