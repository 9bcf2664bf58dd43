import assert from "node:assert/strict";
import { test } from "node:test";
import * as fc from "fast-check";
import { decodeToken, encodeToken, parseReportSubject, reportSubject } from "./subjects.ts";

test("a node's name with dots is one token", () => {
  assert.equal(
    encodeToken("ip-10-0-0-1.eu-west-1.compute.internal"),
    "ip-10-0-0-1_2Eeu-west-1_2Ecompute_2Einternal",
  );
  assert.equal(reportSubject("a.b", true), "whotalks.v1.report.a_2Eb.keyframe");
  assert.equal(reportSubject("a.b", false), "whotalks.v1.report.a_2Eb.delta");
});

test("any name comes back as it was, from a token that NATS accepts", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", minLength: 1 }), (name) => {
      // A lone surrogate has no UTF-8 encoding.
      fc.pre(name.isWellFormed());
      const token = encodeToken(name);
      assert.match(token, /^[A-Za-z0-9_-]+$/);
      assert.equal(decodeToken(token), name);
      assert.deepEqual(parseReportSubject(reportSubject(name, true)), { node: name, startsKeyframe: true });
    }),
  );
});

test("different names have different tokens, and a foreign token has no name", () => {
  assert.notEqual(encodeToken("a_2Eb"), encodeToken("a.b"));
  for (const token of ["", "a.b", "_2e", "_41", "_FF", "_2", "a b", "*", ">"])
    assert.equal(decodeToken(token), null, token);
});

test("subjects of others are none of ours", () => {
  for (const subject of [
    "whotalks.v1.report.a",
    "whotalks.v1.report.a.other",
    "whotalks.v1.report.a.delta.b",
    "whotalks.v1.report..delta",
    "whotalks.v2.report.a.delta",
  ]) {
    assert.equal(parseReportSubject(subject), null, subject);
  }
});

test("an empty name is refused", () => {
  assert.throws(() => encodeToken(""), RangeError);
});
