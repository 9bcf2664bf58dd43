import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { UsageError } from "../../lib/program/usage-error.ts";
import { arrangeWords, commandOf } from "./arrange-words.ts";

const split = (text: string): string[] => text.split(" ").filter((word) => word !== "");

describe("arrangeWords", () => {
  const lines: ReadonlyArray<readonly [typed: string, arranged: string]> = [
    ["", "edges"],
    ["-A", "edges -A"],
    ["connections", "connections"],
    ["-n kube-system connections", "connections -n kube-system"],
    ["-n=kube-system connections", "connections -n kube-system"],
    ["-nkube-system connections", "connections -n kube-system"],
    ["--namespace kube-system connections", "connections --namespace kube-system"],
    ["--namespace=kube-system connections -o wide", "connections --namespace kube-system -o wide"],
    ["-Aw listeners", "listeners -A -w"],
    ["-Aojson listeners", "listeners -A -o json"],
    ["-Ao json listeners", "listeners -A -o json"],
    ["-A=true -w=false unix", "unix -A"],
    ["--all-namespaces=true --watch=false unix", "unix --all-namespaces"],
    ["--no-headers edges", "edges --no-headers"],
    ["-n edges connections", "connections -n edges"],
    ["--once -o json local connections", "local --once -o json -- connections"],
    ["local --once connections", "local --once -- connections"],
    ["local -- -x", "local -- -x"],
    ["--from-file - edges", "edges --from-file -"],
    ["--help", "--help"],
    ["-A -h", "--help"],
    ["-h edges", "edges -h"],
    ["--version", "--version"],
    ["help edges", "help edges"],
    ["help conn", "help connections"],
    ["conn -A", "connections -A"],
    ["edge", "edges"],
    ["listener", "listeners"],
    ["lis", "listeners"],
    ["cov", "coverage"],
    ["get edges -A", "edges -A"],
    ["get -A connection", "connections -A"],
    ["get", "edges"],
    ["get pod/x", "edges -- pod/x"],
    ["deploy/coredns", "edges -- deploy/coredns"],
    ["-n shop deploy/web pod/x", "edges -n shop -- deploy/web pod/x"],
    ["deployments coredns", "edges -- deployments coredns"],
    ["edges -A pod/x", "edges -A -- pod/x"],
    ["10.0.0.1", "edges -- 10.0.0.1"],
    ["external", "edges -- external"],
    ["/run/docker.sock", "edges -- /run/docker.sock"],
  ];
  for (const [typed, arranged] of lines) {
    it(`arranges '${typed}'`, () => {
      assert.deepEqual(arrangeWords(split(typed)), split(arranged));
    });
  }

  const refused: ReadonlyArray<readonly [typed: string, message: string, hint: string]> = [
    ["-n shop conections", "unknown command 'conections'.", "Did you mean connections?"],
    [
      "zebra",
      "unknown command 'zebra'.",
      "An endpoint has its kind in front: pod/zebra, deploy/zebra, svc/zebra.",
    ],
    ["get conections", "unknown command 'conections'.", "Did you mean connections?"],
    ["Zebra!", "unknown command 'Zebra!'.", ""],
    ["--form x edges", "unknown option '--form'.", "Did you mean --from?"],
    ["edges -x", "unknown option '-x'.", ""],
    ["edges -Ax", "unknown option '-x' of '-Ax'.", ""],
    ["edges --limit", "option '--limit <n>' argument missing.", ""],
    ["edges -A=yes", "-A takes true or false, not 'yes'.", ""],
  ];
  for (const [typed, message, hint] of refused) {
    it(`refuses '${typed}'`, () => {
      assert.throws(
        () => arrangeWords(split(typed)),
        (error) => error instanceof UsageError && error.message === message && error.hint === hint,
      );
    });
  }

  it("arranges flags alike wherever they are typed", () => {
    const groups = [["-n", "shop"], ["-o=wide"], ["--port", "80"], ["--open"], ["connections"]];
    const expected = ["connections", "--open", "--port", "80", "-n", "shop", "-o", "wide"];
    fc.assert(
      fc.property(fc.shuffledSubarray(groups, { minLength: groups.length }), (order) => {
        const line = arrangeWords(order.flat());
        assert.equal(line[0], "connections");
        assert.deepEqual(line.toSorted(), expected.toSorted());
      }),
    );
  });

  it("never throws anything but a sentence for the user", () => {
    fc.assert(
      fc.property(fc.array(fc.string()), (typed) => {
        try {
          arrangeWords(typed);
        } catch (error) {
          assert.ok(error instanceof UsageError);
        }
        commandOf(typed);
      }),
    );
  });
});

describe("commandOf", () => {
  it("finds the command of a line with a mistake", () => {
    assert.equal(commandOf(["--form", "local"]), "local");
    assert.equal(commandOf(["-n", "local"]), null);
  });
});
