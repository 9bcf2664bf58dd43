import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import { Connection, type Coverage, Edge, Endpoint, Listener } from "../gen/whotalks/v1/query.ts";
import { NodeCoverage } from "../gen/whotalks/v1/report.ts";
import { type Codec, type Json, JsonShapeError, type Shape, time } from "./codec.ts";
import {
  itemJson,
  itemShapes,
  jsonLine,
  listHead,
  type ListItems,
  type ListKind,
  parseDocument,
} from "./list.ts";
import { coverageShape, nodeCoverageShape } from "./messages.ts";

const samples: { readonly [Kind in ListKind]: ListItems[Kind] } = {
  ConnectionList: Connection.create({
    client: Endpoint.create({
      kind: "process",
      ip: "10.0.0.2",
      port: 40312,
      process: { pid: 12, name: "curl", exe: "/usr/bin/curl", uid: 0 },
      holders: [{ pid: 12, name: "curl", fd: 0 }],
      timer: { kind: "keepalive", expiresMs: 0 },
      networkNamespace: 4026531840,
      inode: 7,
      socketUid: 0,
      recvQueue: 0,
    }),
    server: undefined,
    protocol: "tcp",
    outcome: "established",
    state: "ESTABLISHED",
    evidence: ["client-socket"],
    bytesToServer: 0,
    firstSeenMs: 1_767_323_045_678,
    lastSeenMs: 1_767_323_045_000,
    count: 1,
    uid: "c0ffee",
  }),
  EdgeList: Edge.create({ protocol: "tcp", connections: 0, open: 0 }),
  ListenerList: Listener.create({
    declared: false,
    address: "::",
    services: [{ namespace: "shop", name: "db" }],
  }),
};

describe("itemJson", () => {
  it("leaves out what is empty or unknown and keeps what says something", () => {
    assert.deepEqual(itemJson("ConnectionList", samples.ConnectionList), {
      client: {
        kind: "process",
        ip: "10.0.0.2",
        port: 40312,
        process: { pid: 12, name: "curl", exe: "/usr/bin/curl", uid: 0 },
        inode: 7,
        timer: { kind: "keepalive", expiresMs: 0 },
        networkNamespace: 4026531840,
        holders: [{ pid: 12, name: "curl", fd: 0 }],
        recvQueue: 0,
        socketUid: 0,
      },
      server: { kind: "unknown" },
      protocol: "tcp",
      outcome: "established",
      state: "ESTABLISHED",
      evidence: ["client-socket"],
      bytesToServer: 0,
      firstSeen: "2026-01-02T03:04:05.678Z",
      lastSeen: "2026-01-02T03:04:05.000Z",
      closed: false,
      count: 1,
      uid: "c0ffee",
    });
    assert.deepEqual(itemJson("EdgeList", samples.EdgeList), {
      client: { kind: "unknown" },
      server: { kind: "unknown" },
      protocol: "tcp",
      connections: 0,
      open: 0,
      refused: 0,
      timedOut: 0,
      pending: 0,
    });
    assert.deepEqual(itemJson("ListenerList", samples.ListenerList), {
      endpoint: { kind: "unknown" },
      address: "::",
      declared: false,
      services: [{ namespace: "shop", name: "db" }],
    });
  });
});

describe("time", () => {
  const cases: ReadonlyArray<readonly [ms: number, text: string | undefined]> = [
    [0, undefined],
    [1, "1970-01-01T00:00:00.001Z"],
    [-1, "1969-12-31T23:59:59.999Z"],
    [253_402_300_799_999, "9999-12-31T23:59:59.999Z"],
    [253_402_300_800_000, undefined],
    [Number.MAX_SAFE_INTEGER, undefined],
    [-Number.MAX_SAFE_INTEGER, undefined],
  ];
  for (const [ms, text] of cases) {
    it(`writes ${ms} as ${text}`, () => assert.equal(time.write(ms), text));
  }
});

describe("a list document", () => {
  for (const kind of ["ConnectionList", "EdgeList", "ListenerList"] as const) {
    it(`of kind ${kind} returns what was written`, () => {
      fc.assert(
        fc.property(
          fc.array(messageOf(itemShapes[kind] as Shape<unknown>), { maxLength: 5 }),
          coverageOf(),
          (items, coverage) => {
            const text = documentText(kind, coverage, items as Array<ListItems[typeof kind]>);
            const read = parseDocument(text);
            assert.ok(read.kind === kind);
            assert.equal(read.timeMs, 1234);
            assert.deepEqual(read.coverage, coverage);
            assert.deepEqual(read.items, items);
            // A value that a proto cannot express (an absent kind) changes at the first write only: writing
            // again changes nothing.
            assert.equal(
              documentText(kind, read.coverage, read.items as Array<ListItems[typeof kind]>),
              text,
            );
          },
        ),
        { numRuns: 100 },
      );
    });
  }

  it("carries every field of the protos", () => {
    // A message with no empty field: a field that the mapping forgot would be lost in the round trip.
    const full: ReadonlyArray<readonly [ListKind, object]> = [
      ["ConnectionList", Connection.create()],
      ["EdgeList", Edge.create()],
      ["ListenerList", Listener.create()],
    ];
    for (const [kind, message] of full) {
      const keys = new Set(itemShapes[kind].fields.map((field) => field.key as string));
      assert.deepEqual(
        Object.keys(message).filter((key) => !keys.has(key)),
        [],
      );
    }
    const nodeKeys = new Set<string>(nodeCoverageShape.fields.map((field) => field.key));
    assert.deepEqual(
      Object.keys(NodeCoverage.create()).filter((key) => !nodeKeys.has(key)),
      [],
    );
  });

  it("leaves fields that it does not know alone, and takes absent ones for empty", () => {
    const text = `{"apiVersion":"whotalks.dev/v1","kind":"EdgeList","later":1,"items":[{"protocol":"tcp","later":{}}]}`;
    const read = parseDocument(text);
    assert.ok(read.kind === "EdgeList");
    assert.equal(read.items[0]!.protocol, "tcp");
    assert.equal(read.items[0]!.client!.kind, "unknown");
    assert.equal(read.matched, 1);
    assert.equal(read.complete, true);
  });

  const broken: ReadonlyArray<readonly [name: string, text: string, message: RegExp]> = [
    ["no JSON", "{", /it is no JSON/],
    ["a list", "[]", /the document should be an object, but is \[\]/],
    ["another version", `{"apiVersion":"v1"}`, /apiVersion should be whotalks.dev\/v1, but is "v1"/],
    [
      "another kind",
      `{"apiVersion":"whotalks.dev/v1","kind":"PodList"}`,
      /kind should be .* but is "PodList"/,
    ],
    ["no items", `{"apiVersion":"whotalks.dev/v1","kind":"EdgeList"}`, /items should be a list/],
    [
      "a text for a number",
      `{"apiVersion":"whotalks.dev/v1","kind":"EdgeList","items":[{},{"client":{"port":"80"}}]}`,
      /items\[1\].client.port should be a number, but is "80"/,
    ],
    [
      "null for a text",
      `{"apiVersion":"whotalks.dev/v1","kind":"EdgeList","items":[{"protocol":null}]}`,
      /items\[0\].protocol should be text, but is null/,
    ],
    [
      "no time",
      `{"apiVersion":"whotalks.dev/v1","kind":"EdgeList","items":[{"firstSeen":"yesterday"}]}`,
      /items\[0\].firstSeen should be a time such as .*, but is "yesterday"/,
    ],
    [
      "a broken label",
      `{"apiVersion":"whotalks.dev/v1","kind":"EdgeList","items":[{"client":{"labels":{"a":1}}}]}`,
      /items\[0\].client.labels.a should be text/,
    ],
  ];
  for (const [name, text, message] of broken) {
    it(`says what is wrong: ${name}`, () => {
      assert.throws(
        () => parseDocument(text),
        (error) => error instanceof JsonShapeError && message.test(error.message),
      );
    });
  }

  it("never throws anything else, whatever it reads", () => {
    fc.assert(
      fc.property(fc.anything(), (anything) => {
        const head = { apiVersion: "whotalks.dev/v1", kind: "ConnectionList" };
        for (const value of [
          anything,
          { ...head, items: anything },
          { ...head, items: [{ client: anything }] },
        ]) {
          try {
            parseDocument(
              JSON.stringify(value, (_, inner: unknown) => (typeof inner === "bigint" ? 0 : inner)) ?? "",
            );
          } catch (error) {
            assert.ok(error instanceof JsonShapeError, String(error));
          }
        }
      }),
    );
  });
});

describe("jsonLine", () => {
  it("has nothing in it that a terminal obeys, and means the same", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        const line = jsonLine(text);
        assert.doesNotMatch(line, /[\u0000-\u001f\u007f-\u009f\u2028\u2029\u202a-\u202e\u2066-\u2069]/);
        assert.equal(JSON.parse(line), text);
      }),
    );
  });
});

function documentText<Kind extends ListKind>(
  kind: Kind,
  coverage: Coverage,
  items: Array<ListItems[Kind]>,
): string {
  const head: { [name: string]: Json } = listHead(kind, 1234, coverage);
  return jsonLine({
    ...head,
    items: items.map((item) => itemJson(kind, item)),
    complete: true,
    matched: items.length,
  });
}

function coverageOf(): fc.Arbitrary<Coverage> {
  return messageOf(coverageShape);
}

// Messages with any content that the shape allows. An endpoint or a service is a message too: the type of the
// codec's value for an absent field shows which values the field may have.
function messageOf<Message>(shape: Shape<Message>): fc.Arbitrary<Message> {
  const fields = Object.fromEntries(
    shape.fields.map((field) => [field.key, valueOf(field.codec, field.key)]),
  );
  return fc.record(fields, { noNullPrototype: true }) as fc.Arbitrary<Message>;
}

function valueOf(codec: Codec<unknown>, key: string): fc.Arbitrary<unknown> {
  const text = fc.string({ unit: "binary", maxLength: 8 });
  const number = fc.nat({ max: Number.MAX_SAFE_INTEGER });
  switch (codec.type) {
    case "text":
      return key === "kind" ? fc.constantFrom("pod", "process", "unknown") : text;
    case "number":
      return number;
    case "number, where known":
      return fc.option(number, { nil: undefined });
    case "true or false":
    case "true, or left out":
      return fc.boolean();
    case "true or false, where known":
      return fc.option(fc.boolean(), { nil: undefined });
    case "time":
      return fc.integer({ min: 0, max: 253_402_300_799_999 });
    case "list of text":
      return fc.array(text, { maxLength: 3 });
    case "object of text":
      return fc.dictionary(text, text, { maxKeys: 3, noNullPrototype: true });
    case "endpoint":
      return fc.constantFrom(
        samples.ConnectionList.client!,
        Endpoint.create({ kind: "external", labels: { a: "b" } }),
      );
    case "list of objects":
      return fc.constantFrom([], ...(inner[key] ?? []).map((value) => [value, value]));
    case "object":
      return fc.constantFrom(undefined, ...(inner[key] ?? []));
    default:
      throw new Error(`the test has no values for ${codec.type}`);
  }
}

const inner: { readonly [key: string]: readonly object[] } = {
  via: [
    { ip: "10.96.0.1", port: 443, service: { namespace: "default", name: "kubernetes" } },
    { ip: "", port: 0, service: undefined },
  ],
  snat: [{ ip: "192.0.2.1", port: 0 }],
  icmp: [{ type: 8, code: 0, id: 77 }],
  services: [{ namespace: "", name: "db" }],
  nodes: [NodeCoverage.create({ node: "n1", limits: ["no /proc"], sockets: 3, sinceMs: 5 })],
};
