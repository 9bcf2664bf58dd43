import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { EndpointSelector } from "../../lib/gen/whotalks/v1/query.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { parseSelector } from "./selectors.ts";

const workload = (kind: string, name: string): object => ({ workload: { namespace: "", kind, name } });

describe("parseSelector", () => {
  const forms: ReadonlyArray<readonly [text: string, selector: object]> = [
    ["10.0.0.0/8", { cidr: "10.0.0.0/8" }],
    ["10.0.0.1", { cidr: "10.0.0.1" }],
    ["2001:db8::1", { cidr: "2001:db8::1" }],
    ["2001:db8::/32", { cidr: "2001:db8::/32" }],
    ["::", { cidr: "::" }],
    ["fe80::1%eth0", { cidr: "fe80::1" }],
    ["::ffff:10.0.0.1", { cidr: "::ffff:10.0.0.1" }],
    ["pod/web-1", { pod: { namespace: "", name: "web-1" } }],
    ["po/web-1", { pod: { namespace: "", name: "web-1" } }],
    ["deploy/web", workload("Deployment", "web")],
    ["Deployment/web", workload("Deployment", "web")],
    ["sts/db", workload("StatefulSet", "db")],
    ["ds/agent", workload("DaemonSet", "agent")],
    ["rs/web-7d", workload("ReplicaSet", "web-7d")],
    ["job/once", workload("Job", "once")],
    ["cj/nightly", workload("CronJob", "nightly")],
    ["svc/db", { service: { namespace: "", name: "db" } }],
    ["ns/shop", { namespace: "shop" }],
    ["node/n1.example.com", { node: "n1.example.com" }],
    ["external", { endpointKind: "external" }],
    ["unknown", { endpointKind: "unknown" }],
    ["pid/123", { pid: 123 }],
    ["process/nginx", { process: "nginx" }],
    ["proc/kworker/0:1", { process: "kworker/0:1" }],
    ["unit/ssh.service", { unit: "ssh.service" }],
    ["container/3f4e8a", { container: "3f4e8a" }],
    ["unix:/run/x.sock", { path: "/run/x.sock" }],
    ["unix:@abstract", { path: "@abstract" }],
    ["/run/docker.sock", { path: "/run/docker.sock" }],
    ["/run/*", { path: "/run/*" }],
    ["@/tmp/.X11-unix/X0", { path: "@/tmp/.X11-unix/X0" }],
  ];
  for (const [text, selector] of forms) {
    it(`reads ${text}`, () => assert.deepEqual(parseSelector(text, false), selector));
  }

  it("takes a bare word for a process only on request", () => {
    assert.deepEqual(parseSelector("nginx", true), { process: "nginx" });
    assert.throws(() => parseSelector("nginx", false), UsageError);
  });

  const mistakes: ReadonlyArray<readonly [text: string, message: RegExp, hint?: string]> = [
    ["", /names no endpoint/],
    ["10.0.0.0/33", /is no address or range/],
    ["10.0.0", /is no address or range/],
    ["2001:db8::1::2", /is no address or range/],
    ["deplyo/web", /names no endpoint/, "Did you mean deploy/web?"],
    ["pod/", /has no name after the slash/],
    ["pod/shop/web", /is no Kubernetes name/],
    ["pod/Web_1", /is no Kubernetes name/],
    ["pid/0", /has no process id/],
    ["pid/abc", /has no process id/],
    ["pid/99999999", /has no process id/],
    ["unix:", /names no endpoint/],
  ];
  for (const [text, message, hint] of mistakes) {
    it(`refuses '${text}'`, () => {
      assert.throws(
        () => parseSelector(text, false),
        (error) =>
          error instanceof UsageError && message.test(error.message) && error.hint === (hint ?? error.hint),
      );
    });
  }

  it("returns exactly one kind or throws a UsageError, whatever the text", () => {
    fc.assert(
      fc.property(fc.oneof(fc.string(), fc.ipV4(), fc.ipV6(), fc.webPath()), fc.boolean(), (text, bare) => {
        try {
          const selector = parseSelector(text, bare);
          assert.equal(Object.keys(selector).length, 1);
          // Every parsed selector can be encoded.
          EndpointSelector.encode(EndpointSelector.fromPartial(selector)).finish();
        } catch (error) {
          assert.ok(error instanceof UsageError, String(error));
        }
      }),
    );
  });

  it("reads every address", () => {
    fc.assert(
      fc.property(fc.oneof(fc.ipV4(), fc.ipV6()), (text) =>
        assert.deepEqual(parseSelector(text, false), { cidr: text }),
      ),
    );
  });
});
