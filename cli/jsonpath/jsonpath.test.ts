// The examples of https://kubernetes.io/docs/reference/kubectl/jsonpath/, and what kubectl does with the rest.

import assert from "node:assert/strict";
import { describe, it } from "node:test";
import * as fc from "fast-check";
import type { Json } from "../../lib/json/codec.ts";
import { fillTemplate, templateValues, valuesAt } from "./evaluate.ts";
import { parseRelaxedPath } from "./parse-path.ts";
import { parseTemplate } from "./parse-template.ts";
import { JsonPathMismatch, JsonPathSyntaxError } from "./syntax.ts";

const nodes: Json = {
  kind: "List",
  items: [
    {
      kind: "None",
      metadata: { name: "127.0.0.1", labels: { "kubernetes.io/hostname": "127.0.0.1" } },
      status: {
        capacity: { cpu: "4" },
        ready: true,
        addresses: [{ type: "LegacyHostIP", address: "127.0.0.1" }],
      },
    },
    {
      kind: "None",
      metadata: { name: "127.0.0.2" },
      status: {
        capacity: { cpu: "8" },
        ready: false,
        addresses: [
          { type: "LegacyHostIP", address: "127.0.0.2" },
          { type: "another", address: "127.0.0.3" },
        ],
      },
    },
  ],
  users: [
    { name: "myself", user: {} },
    { name: "e2e", user: { username: "admin", password: "secret" } },
  ],
};

const wheels: Json = {
  name: "store",
  labels: { "web/html": 15, "k8s-app": 20, "a.b": 1 },
  numbers: [0, 1, 2, 3, 4],
  empty: [],
  bikes: [
    { color: "red", price: 19.95, isNew: true, gears: [] },
    { color: "green", price: 20.01, isNew: false, gears: [{ teeth: 11 }], frame: "steel" },
  ],
};

const fill = (template: string, data: Json): string => fillTemplate(parseTemplate(template), data);

describe("kubectl's documented examples", () => {
  const examples: ReadonlyArray<readonly [template: string, text: string]> = [
    ["kind is {.kind}", "kind is List"],
    ["{@}", JSON.stringify(nodes)],
    ["{.kind}", "List"],
    ["{['kind']}", "List"],
    ["{..name}", "127.0.0.1 127.0.0.2 myself e2e"],
    ["{.items[*].metadata.name}", "127.0.0.1 127.0.0.2"],
    ["{.users[0].name}", "myself"],
    ["{.items[*]['metadata.name', 'status.capacity']}", '127.0.0.1 127.0.0.2 {"cpu":"4"} {"cpu":"8"}'],
    ['{.users[?(@.name=="e2e")].user.password}', "secret"],
    [
      "{range .items[*]}[{.metadata.name}, {.status.capacity}] {end}",
      '[127.0.0.1, {"cpu":"4"}] [127.0.0.2, {"cpu":"8"}] ',
    ],
    ["{range .items[*]}{.metadata.name}{'\\t'}{end}", "127.0.0.1\t127.0.0.2\t"],
    ["{.items[0].metadata.labels.kubernetes\\.io/hostname}", "127.0.0.1"],
    [
      '{range .items[*]}{.metadata.name}{"\\t"}{.status.capacity.cpu}{"\\n"}{end}',
      "127.0.0.1\t4\n127.0.0.2\t8\n",
    ],
    ["{.items[*].metadata.labels['kubernetes\\.io/hostname']}", "127.0.0.1"],
    ["{.users[-1].name}", "e2e"],
    ["{.users[-1:].name}", "e2e"],
  ];
  for (const [template, text] of examples) {
    it(template, () => assert.equal(fill(template, nodes), text));
  }
});

describe("a template", () => {
  const cases: ReadonlyArray<readonly [template: string, text: string]> = [
    ["plain", "plain"],
    ["", ""],
    ['{"{"}', "{"],
    ["{.}", JSON.stringify(wheels)],
    ["{$.name}", "store"],
    ["{ .name }", "store"],
    ["{$.labels.web/html}", "15"],
    ["{.labels.k8s-app}", "20"],
    ["{.labels.a\\.b}", "1"],
    ["{.labels['a\\.b']}", "1"],
    ['{.labels["k8s-app"]}', "20"],
    ["{.numbers}", "[0,1,2,3,4]"],
    ["{.numbers[1,3,4]}", "1 3 4"],
    ["{.numbers[0:2]}", "0 1"],
    ["{.numbers[:2]}", "0 1"],
    ["{.numbers[3:]}", "3 4"],
    ["{.numbers[-2:]}", "3 4"],
    ["{.numbers[0:-1]}", "0 1 2 3"],
    ["{.numbers[::2]}", "0 2 4"],
    ["{.numbers[1:4:2]}", "1 3"],
    ["{.numbers[1:5:9]}", "1"],
    ["{.numbers[2:2]}", ""],
    ["{.numbers[-2]}", "3"],
    ["{.numbers[?(@<2)]}", "0 1"],
    ["{.bikes[*].color}", "red green"],
    ["{.bikes[*].gears[*].teeth}", "11"],
    ["{..price}", "19.95 20.01"],
    ["{...price}", "19.95 20.01"],
    ["{.bikes[?(@.isNew==true)].color}", "red"],
    ["{.bikes[?(@.price>=20)].color}", "green"],
    ["{.bikes[?(@.color!='red')].color}", "green"],
    ["{.bikes[?(@.color=~'^g.*en')].price}", "20.01"],
    ["{.bikes[?(@.frame)].color}", "green"],
    ['{.bikes[?(@.frame=="steel")].color}', "green"],
    ["{.bikes[?(.color=='red')].price}", "19.95"],
    ["{.nothing}", ""],
    ["a{.nothing.here[*].x}b", "ab"],
    ["{range .empty[*]}{.x}{end}{.name}", "store"],
    ["{range .bikes[*]}{.color}:{range .gears[*]}{.teeth},{end}+{end}", "red:+green:11,+"],
    ["{range .bikes[*]}{.color}{range @.gears[*]}{end}{range .gears[*]} {end};{end}", "red;green ;"],
    ["{range .bikes[*]}{.color} ", "red green "],
    ['{range .bikes[?(@.color=="red")]}{.price}{"\\n"}{end}', "19.95\n"],
    ['{range .bikes[*]}{"}"}{end}', "}}"],
  ];
  for (const [template, text] of cases) {
    it(template, () => assert.equal(fill(template, wheels), text));
  }

  const broken: ReadonlyArray<readonly [template: string, message: RegExp]> = [
    ["{.name", /has no '}'/],
    ["{hello}", /'hello' is no word of JSONPath/],
    ["{end}", /an {end} has no {range}/],
    ["{range .bikes[*]}{end}{end}", /an {end} has no {range}/],
    ["{.bikes[}", /has no ']'/],
    ["{.bikes[x]}", /\[x\] is no index/],
    ["{.bikes[]}", /\[\] is no index/],
    ["{.numbers[0:5:0]}", /the step of \[0:5:0\] is not above 0/],
    ["{.numbers[0:5:-1]}", /the step of/],
    ["{.bikes[?(@.price<>10)]}", /'<>' is no operator of filters/],
    ["{.bikes[?(@.price==)]}", /nothing follows '=='/],
    ["{.bikes[?(@.price==1)}", /does not end in '\)\]'/],
    ["{.bikes[?()]}", /a filter is empty/],
    ['{"x}', /a quoted text has no end/],
    ["{....price}", /'\.\.' follows '\.\.'/],
    ["{.a,}", /',' is not expected/],
    ["{1.2.3}", /'1\.2\.3' is no number/],
    ["{range .a}".repeat(30), /nested too deeply/],
  ];
  for (const [template, message] of broken) {
    it(`${template.slice(0, 40)} is refused`, () => {
      assert.throws(
        () => parseTemplate(template),
        (error) => error instanceof JsonPathSyntaxError && message.test(error.message),
      );
    });
  }

  const unfit: ReadonlyArray<readonly [template: string, message: RegExp]> = [
    ["{.labels[0]}", /an object is no list/],
    ["{.name[*]}", /"store" is no list/],
    ["{.numbers[5]}", /\[5\] is out of bounds: the list has 5 items/],
    ["{.numbers[-6]}", /out of bounds/],
    ["{.numbers[3:1]}", /\[3:1\] is out of bounds/],
    ["{.numbers[0:9]}", /\[0:9\] is out of bounds/],
    ["{.bikes[?(@.isNew=~'t')]}", /=~ takes texts/],
    ["{.bikes[?(@.color=~'[')]}", /is no regular expression/],
    ["{.bikes[?(@.price=='20')]}", /19\.95 cannot be compared with "20" by ==/],
    ["{.bikes[?(@..*==1)]}", /one value with one value/],
  ];
  for (const [template, message] of unfit) {
    it(`${template} does not fit the data`, () => {
      assert.throws(
        () => fill(template, wheels),
        (error) => error instanceof JsonPathMismatch && message.test(error.message),
      );
    });
  }

  it("prints values safely, and its own text as it is", () => {
    assert.equal(fill('{.a}{"\\u001b"}\u001b', { a: "x\u001b[2J" }), "x\\x1b[2Ju001b\u001b");
    assert.equal(fill("{@}", { a: "\u202e" }), '{"a":"\\u202e"}');
    assert.equal(fill("{.__proto__}{.constructor}", {}), "");
  });

  it("never throws anything but sentences, whatever its text", () => {
    const piece = fc.constantFrom(
      ...Array.from("{}[]().,*?@$'\"\\=<>~!:019 ab"),
      "range ",
      "end",
      "..",
      "[?(",
      ".a",
      "[0]",
    );
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 30 }), fc.jsonValue(), (pieces, data) => {
        try {
          fillTemplate(parseTemplate(pieces.join("")), data as Json);
        } catch (error) {
          assert.ok(error instanceof JsonPathSyntaxError || error instanceof JsonPathMismatch, String(error));
        }
      }),
    );
  });
});

it("templateValues has the values of every expression", () => {
  assert.deepEqual(templateValues(parseTemplate("{.name} {range .bikes[*]}{.color}{end}"), wheels), [
    ["store"],
    [" "],
    ["red"],
    ["green"],
  ]);
});

describe("a path of columns and of sorting", () => {
  for (const text of [
    "{.labels.k8s-app}",
    ".labels.k8s-app",
    "labels.k8s-app",
    "{labels.k8s-app}",
    "$.labels.k8s-app",
  ]) {
    it(text, () => assert.deepEqual(valuesAt(parseRelaxedPath(text), wheels), [20]));
  }
  for (const text of ["", "{}", "{.a}{.b}", "{.a"]) {
    it(`'${text}' is refused`, () => assert.throws(() => parseRelaxedPath(text), JsonPathSyntaxError));
  }
});
