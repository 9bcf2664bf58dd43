import assert from "node:assert/strict";
import { describe, it } from "node:test";
import { UsageError } from "../../lib/program/usage-error.ts";
import { parseEndpointWords, withEndpoints } from "./endpoint-words.ts";
import { openFilter } from "./filter.ts";

const pod = (name: string, namespace = ""): object => ({ pod: { namespace, name } });
const deployment = (name: string, namespace = ""): object => ({
  workload: { namespace, kind: "Deployment", name },
});

describe("parseEndpointWords", () => {
  const lines: ReadonlyArray<readonly [words: string, endpoints: readonly object[]]> = [
    ["pod/a", [pod("a")]],
    ["pod/a,po/b", [pod("a"), pod("b")]],
    ["pods a b", [pod("a"), pod("b")]],
    ["deployments a pod b", [deployment("a"), pod("b")]],
    ["pods a deploy/b", [pod("a"), deployment("b")]],
    ["Deployment a", [deployment("a")]],
    ["shop/pod/a", [pod("a", "shop")]],
    ["shop/deploy/a", [deployment("a", "shop")]],
    ["shop/svc/a", [{ service: { namespace: "shop", name: "a" } }]],
    ["10.0.0.1 external", [{ cidr: "10.0.0.1" }, { endpointKind: "external" }]],
    ["unit nginx.service", [{ unit: "nginx.service" }]],
    ["/run/x.sock", [{ path: "/run/x.sock" }]],
  ];
  for (const [words, endpoints] of lines) {
    it(`reads '${words}'`, () => assert.deepEqual(parseEndpointWords(words.split(" "), false), endpoints));
  }

  const refused: ReadonlyArray<readonly [words: string, message: RegExp]> = [
    ["pods", /^'pods' has no name: write pods\/NAME\.$/],
    ["pods deploy/a", /^'pods' has no name/],
    ["pods a deploy", /^'deploy' has no name/],
    ["nginx", /^'nginx' names no endpoint/],
    ["pod/a,", /^an endpoint is empty\.$/],
    ["shop/node/a", /^'shop\/node\/a' has a namespace, but a node is in none: write node\/a\.$/],
    ["shop/pod/A", /^'A' in 'shop\/pod\/A' is no Kubernetes name/],
  ];
  for (const [words, message] of refused) {
    it(`refuses '${words}'`, () => {
      assert.throws(
        () => parseEndpointWords(words.split(" "), false),
        (error) => error instanceof UsageError && message.test(error.message),
      );
    });
  }
});

describe("withEndpoints", () => {
  const shop = { ...openFilter, namespaces: ["shop"] };

  it("looks for Kubernetes' kinds in the filter's namespace, and for their peers anywhere", () => {
    const filter = withEndpoints(shop, parseEndpointWords(["pod/a", "db/deploy/b"], false));
    assert.deepEqual(filter, { ...openFilter, either: [pod("a", "shop"), deployment("b", "db")] });
  });

  it("keeps the namespace for what is in none", () => {
    const filter = withEndpoints(shop, parseEndpointWords(["pod/a", "external"], false));
    assert.deepEqual(filter, { ...shop, either: [pod("a", "shop"), { endpointKind: "external" }] });
    const flag = withEndpoints({ ...shop, either: [{ cidr: "::1" }] }, parseEndpointWords(["pod/a"], false));
    assert.deepEqual(flag, { ...shop, either: [{ cidr: "::1" }, pod("a", "shop")] });
  });

  it("looks in every namespace if the filter has none", () => {
    assert.deepEqual(withEndpoints(openFilter, parseEndpointWords(["pod/a"], false)).either, [pod("a")]);
    assert.equal(withEndpoints(shop, []), shop);
  });
});
