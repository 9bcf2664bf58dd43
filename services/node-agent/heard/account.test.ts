// The account of namespaces in which connections are opened while it begins.

import path from "node:path";
import { describe, it } from "node:test";

import { runInNamespaces } from "../testing/own-namespaces.ts";
import { withoutEvents } from "./testing/without-events.ts";

const script = path.join(import.meta.dirname, "testing/account.ts");

describe("the account of an agent that begins under load", { skip: withoutEvents() }, () => {
  it("has everything, and nothing twice", (t) => runInNamespaces(t, script));
});
