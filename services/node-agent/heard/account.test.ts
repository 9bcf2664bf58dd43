// The account of namespaces in which connections are opened while it begins.

import { describe, it } from "node:test";

import { runInNamespaces } from "./testing/own-namespaces.ts";
import { withoutEvents } from "./testing/without-events.ts";

describe("the account of an agent that begins under load", { skip: withoutEvents() }, () => {
  it("has everything, and nothing twice", (t) => runInNamespaces(t, "account.ts"));
});
