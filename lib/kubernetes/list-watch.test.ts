// Runs against a server that simulates the API server's faults, which a real one cannot produce on demand. The
// normal case is tested against a real one, if there is one.

import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { test } from "node:test";
import type { TestContext } from "node:test";

import { KubeConfig } from "@kubernetes/client-node/dist/config.js";

import { until } from "../testing/eventually.ts";
import { KubernetesApi } from "./kubernetes-api.ts";
import { ListWatch } from "./list-watch.ts";
import type { ResourceHandler } from "./list-watch.ts";

const resource = { name: "things", path: "/api/v1/things", metadataOnly: false, objectsMax: 3 };

type Answer = (response: ServerResponse, query: URLSearchParams) => void;

interface Stage {
  readonly watch: ListWatch;
  /** Calls of the handler, in order. */
  readonly told: string[];
  /** Requests: "list", "list continue=…" or "watch <version>". */
  readonly asked: string[];
}

// Answers each request with the next of the given answers; the last one repeats.
async function stage(t: TestContext, answers: readonly Answer[]): Promise<Stage> {
  const asked: string[] = [];
  const told: string[] = [];
  const server = createServer((request: IncomingMessage, response) => {
    const query = new URL(request.url ?? "", "http://localhost").searchParams;
    const list = query.get("continue") === null ? "list" : `list continue=${query.get("continue")}`;
    asked.push(query.get("watch") === "true" ? `watch ${query.get("resourceVersion")}` : list);
    answers[Math.min(asked.length, answers.length) - 1]!(response, query);
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const config = new KubeConfig();
  const { port } = server.address() as AddressInfo;
  config.loadFromClusterAndUser(
    { name: "c", server: `http://127.0.0.1:${port}`, skipTLSVerify: true },
    { name: "u", token: "t" },
  );
  const api = new KubernetesApi(config);
  const handler: ResourceHandler = {
    put(object) {
      told.push(`put ${(object as { metadata: { uid: string } }).metadata.uid}`);
      return true;
    },
    remove: (uid) => told.push(`remove ${uid}`),
    listed: () => told.push("listed"),
    failed: (verb, error) => told.push(`failed ${verb} ${error.code}: ${error.message}`),
    recovered: () => told.push("recovered"),
  };
  const watch = new ListWatch(api, resource, handler, () => 0);
  t.after(async () => {
    await watch.stop();
    api.close();
    server.closeAllConnections();
    server.close();
  });
  return { watch, told, asked };
}

const object = (uid: string, version = "1"): object => ({ metadata: { uid, resourceVersion: version } });

const list =
  (uids: readonly string[], version: string, token = ""): Answer =>
  (response) => {
    const metadata = { resourceVersion: version, ...(token === "" ? {} : { continue: token }) };
    response.end(JSON.stringify({ metadata, items: uids.map((uid) => object(uid)) }));
  };

const status =
  (code: number, message: string): Answer =>
  (response) => {
    response.statusCode = code;
    response.end(JSON.stringify({ kind: "Status", code, message }));
  };

// A watch that sends events and then ends, or stays open.
const events =
  (lines: readonly object[], after: "end" | "stay" = "stay"): Answer =>
  (response) => {
    response.write(lines.map((line) => `${JSON.stringify(line)}\n`).join(""));
    if (after === "end") response.end();
  };

const stay = events([]);

test("a list is read page by page, then watched from its version on", async (t) => {
  const changes = [
    { type: "MODIFIED", object: object("a", "11") },
    { type: "DELETED", object: object("b", "12") },
  ];
  const { watch, told, asked } = await stage(t, [
    list(["a"], "10", "more"),
    list(["b"], "10"),
    events(changes),
  ]);
  await watch.settled;
  await until("both events", () => told.length >= 5);
  assert.deepEqual(told, ["put a", "put b", "listed", "put a", "remove b"]);
  assert.deepEqual(asked, ["list", "list continue=more", "watch 10"]);
  assert.deepEqual(watch.state, { objects: 1, lists: 1, errors: 0, overflowed: 0, malformed: 0, ageMs: 0 });
});

test("a watch that ends is resumed where it ended, after a bookmark too", async (t) => {
  const bookmark = { type: "BOOKMARK", object: { metadata: { resourceVersion: "20" } } };
  const { asked, told } = await stage(t, [list(["a"], "10"), events([bookmark], "end"), stay]);
  await until("the second watch", () => asked.length >= 3);
  assert.deepEqual(asked, ["list", "watch 10", "watch 20"]);
  assert.deepEqual(told, ["put a", "listed"]);
});

test("a connection that breaks in the middle of a line is resumed, and the half line is dropped", async (t) => {
  const half: Answer = (response) => {
    response.write(`${JSON.stringify({ type: "ADDED", object: object("b", "11") })}\n{"type":"ADD`);
    setImmediate(() => response.destroy());
  };
  const { asked, told } = await stage(t, [
    list(["a"], "10"),
    half,
    events([{ type: "ADDED", object: object("c", "12") }]),
  ]);
  await until("c", () => told.includes("put c"));
  assert.deepEqual(asked, ["list", "watch 10", "watch 11"]);
  assert.equal(told.filter((line) => line.startsWith("failed watch unreachable")).length, 1);
});

for (const [name, gone] of [
  ["an ERROR event with code 410", events([{ type: "ERROR", object: { code: 410, message: "too old" } }])],
  ["an answer of 410", status(410, "too old")],
] as const) {
  test(`${name} means a new list, after which what it does not name is gone`, async (t) => {
    const { asked, told, watch } = await stage(t, [
      list(["a", "b"], "10"),
      gone,
      list(["b", "c"], "30"),
      stay,
    ]);
    await until("the second watch", () => asked.length >= 4);
    assert.deepEqual(told, ["put a", "put b", "listed", "put b", "put c", "remove a", "listed"]);
    assert.deepEqual(asked.slice(1), ["watch 10", "list", "watch 30"]);
    assert.equal(watch.state.lists, 2);
  });
}

test("a list whose continuation has expired starts again and forgets what its first pages named alone", async (t) => {
  const { told, watch } = await stage(t, [
    list(["a"], "10", "more"),
    status(410, "expired"),
    list(["b"], "20"),
    stay,
  ]);
  await watch.settled;
  assert.deepEqual(
    told.filter((line) => !line.startsWith("failed")),
    ["put a", "put b", "remove a", "recovered", "listed"],
  );
  assert.equal(watch.state.objects, 1);
});

test("what is forbidden is said with the server's sentence, settles, and is tried again", async (t) => {
  const sentence = 'things is forbidden: User "u" cannot list resource "things"';
  const { told, watch } = await stage(t, [status(403, sentence), list(["a"], "10"), stay]);
  await watch.settled;
  assert.deepEqual(told, [`failed list forbidden: ${sentence}`]);
  await until("the list", () => told.includes("listed"));
  assert.deepEqual(told.slice(1), ["put a", "recovered", "listed"]);
});

test("objects beyond the limit are counted and left out; what is deleted makes room", async (t) => {
  const changes = [
    { type: "DELETED", object: object("a", "11") },
    { type: "ADDED", object: object("e", "12") },
  ];
  const { told, watch } = await stage(t, [list(["a", "b", "c", "d"], "10"), events(changes)]);
  await until("e", () => told.includes("put e"));
  assert.deepEqual(told, ["put a", "put b", "put c", "listed", "remove a", "put e"]);
  assert.equal(watch.state.overflowed, 1);
});

test("objects without metadata are counted and skipped", async (t) => {
  const { told, watch } = await stage(t, [
    list(["a"], "10"),
    events([
      { type: "ADDED", object: {} },
      { type: "ADDED", object: object("b", "11") },
    ]),
  ]);
  await until("b", () => told.includes("put b"));
  assert.equal(watch.state.malformed, 1);
});

for (const [name, answer] of [
  ["no JSON", ((response) => response.end("<html>")) as Answer],
  ["no list", ((response) => response.end("{}")) as Answer],
  ["an overload", status(429, "slow down")],
  ["a hang-up", ((response) => response.destroy()) as Answer],
] as const) {
  test(`an API server that answers with ${name} is asked again`, async (t) => {
    const { told, watch } = await stage(t, [answer, list(["a"], "10"), stay]);
    await watch.settled;
    assert.equal(watch.state.errors, 1);
    assert.equal(told.at(-1), "listed");
  });
}

test("a stop ends the waiting between two attempts", async (t) => {
  const { watch, told } = await stage(t, [status(503, "starting")]);
  await until("a failure", () => told.length > 0);
  const before = performance.now();
  await watch.stop();
  assert.ok(performance.now() - before < 1000);
});
