// A pass in which nothing moved reads nothing, and one in which anything did reads it: on real sockets and
// processes.

import path from "node:path";
import { describe, it } from "node:test";

import { chooseReader } from "./readers/choose-reader.ts";
import { runInNamespaces } from "./testing/own-namespaces.ts";

const obstacle = chooseReader("bpf-iter", { procRoot: "/proc", nowTicks: () => 0 }).probe();
const script = path.join(import.meta.dirname, "testing/still-pass.ts");

describe("a pass in which nothing moved", { skip: obstacle ?? false }, () => {
  it("reads nothing, and reports what the pass before reported", (t) => runInNamespaces(t, script));
});
