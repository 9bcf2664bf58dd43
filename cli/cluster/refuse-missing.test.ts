import assert from "node:assert/strict";
import { after, before, describe, it } from "node:test";

import type { Connection } from "../../lib/gen/whotalks/v1/query.ts";
import { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import type { AnswerPart } from "../ask/answer.ts";
import type { AskOptions } from "../ask/ask.ts";
import { querySettings } from "../command/settings.ts";
import { type ApiServer, startApiServer } from "../testing/api-server.ts";
import { connections } from "../testing/canned-answers.ts";
import { refuseMissing } from "./refuse-missing.ts";

const objects = [
  "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
  "/apis/apps/v1/namespaces/kube-system/daemonsets/kube-proxy",
  "/apis/apps/v1/namespaces/shop/statefulsets/database",
  "/api/v1/namespaces/shop/services/db",
  "/api/v1/namespaces/shop/pods/web-0",
  "/api/v1/namespaces/shop",
  "/api/v1/namespaces/kube-system",
  "/api/v1/nodes/node-1",
];

let server: ApiServer;
let api: KubernetesApi;
before(async () => {
  server = await startApiServer(objects);
  api = new KubernetesApi({
    getCurrentCluster: () => ({ server: server.url }),
    applyToHTTPSOptions: () => Promise.resolve(),
  });
});
after(async () => {
  api.close();
  await server[Symbol.asyncDispose]();
});

interface Knowing {
  readonly asked: AskOptions[];
  connections(options: AskOptions): AsyncIterable<AnswerPart<Connection>>;
}

function whotalks(items: readonly Connection[]): Knowing {
  const asked: AskOptions[] = [];
  return {
    asked,
    async *connections(options): AsyncGenerator<AnswerPart<Connection>> {
      asked.push(options);
      yield await Promise.resolve({ part: "items", items });
    },
  };
}

async function look(words: readonly string[], flags: object, asker = whotalks([])): Promise<void> {
  await refuseMissing(querySettings("edges", words, flags), api, asker, new AbortController().signal);
}

const system = { namespace: "kube-system" };
const shop = { namespace: "shop" };

describe("an object that does not exist", () => {
  const cases: ReadonlyArray<readonly [words: readonly string[], flags: object, message: string]> = [
    [["deploy/coredms"], system, "no deployment coredms in namespace kube-system; did you mean coredns?"],
    [
      ["deploy/coredns"],
      shop,
      "no deployment coredns in namespace shop; did you mean kube-system/deploy/coredns?",
    ],
    [["deploy/database"], shop, "no deployment database in namespace shop; did you mean sts/database?"],
    [["pod/zebra"], shop, "no pod zebra in namespace shop."],
    [["pod/web-0"], { namespace: "shpo" }, "no namespace shpo; did you mean shop?"],
    [[], { namespace: "shpo" }, "no namespace shpo; did you mean shop?"],
    [["shpo/pod/web-0"], shop, "no namespace shpo; did you mean shop?"],
    [
      ["deploy/coredms"],
      { allNamespaces: true },
      "no deployment coredms in any namespace; did you mean coredns?",
    ],
    [["node/node-2"], shop, "no node node-2; did you mean node-1?"],
    [["ns/shp"], { allNamespaces: true }, "no namespace shp; did you mean shop?"],
    [[], { ...shop, to: ["svc/bd"] }, "no service bd in any namespace; did you mean db?"],
    [
      ["pod/web-1", "svc/xy"],
      shop,
      "no pod web-1 in namespace shop; did you mean web-0? no service xy in namespace shop.",
    ],
  ];
  for (const [words, flags, message] of cases) {
    it(`${words.join(" ")} ${JSON.stringify(flags)}`, async () => {
      await assert.rejects(look(words, flags), { name: "FailureError", message });
    });
  }

  it("is asked about where whotalks still has its connections", async () => {
    const asker = whotalks(connections);
    await look(["pod/gone"], shop, asker);
    assert.deepEqual(asker.asked[0]!.filter.either, [{ pod: { namespace: "shop", name: "gone" } }]);
    assert.equal(asker.asked[0]!.limit, 1);
  });
});

describe("what is asked about without a word", () => {
  it("exists", async () => {
    const asker = whotalks([]);
    await look(["deploy/coredns", "ds/kube-proxy", "node/node-1", "ns/shop", "shop/svc/db"], system, asker);
    await look(["deploy/coredns"], { allNamespaces: true, from: ["svc/db"] }, asker);
    assert.deepEqual(asker.asked, []);
  });

  it("is no object", async () => {
    await look(["10.0.0.1", "external", "/run/x.sock"], shop);
  });

  it("may not be read", async (t) => {
    t.after(() => (server.forbidden = () => false));
    server.forbidden = () => true;
    await look(["deploy/coredms", "node/x"], { namespace: "shpo", to: ["svc/bd"] });
  });

  it("cannot be asked about for two seconds", async (t) => {
    t.after(() => (server.silent = false));
    server.silent = true;
    const beginMs = performance.now();
    await look(["deploy/coredms"], system);
    assert.ok(performance.now() - beginMs < 10_000);
  });
});

it("names nothing similar that may not be listed", async (t) => {
  t.after(() => (server.forbidden = () => false));
  server.forbidden = (path) => /(sets|ments|jobs|pods|services)$/.test(path);
  await assert.rejects(look(["deploy/coredms"], system), {
    message: "no deployment coredms in namespace kube-system.",
  });
});
