import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

import fc from "fast-check";

import { formatAddress } from "../address.ts";
import { ConntrackEntry, EntryField, ZoneDirection } from "./conntrack-entry.ts";
import { FlowStatus } from "./flow-status.ts";
import { formatConntrackLine } from "./testing/format-line.ts";
import { ConntrackLineParser } from "./parse-line.ts";

// The fixtures' dates are in UTC.
process.env["TZ"] = "UTC";

const fixtures = new URL("../../test/fixtures/conntrack/", import.meta.url);

function parse(line: string): ConntrackEntry | null {
  const entry = new ConntrackEntry();
  const bytes = Buffer.from(line);
  return new ConntrackLineParser(entry).parse(bytes, 0, bytes.length) ? entry : null;
}

const TUPLES = "src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2 src=10.0.0.2 dst=10.0.0.1 sport=2 dport=1";

describe("conntrack's text", () => {
  for (const file of readdirSync(fixtures).filter((name) => name.endsWith(".txt"))) {
    it(`prints back as it was in ${file}`, () => {
      const lines = readFileSync(new URL(file, fixtures), "utf8").trimEnd().split("\n");
      for (const line of lines) {
        const entry = parse(line);
        assert.ok(entry !== null, line);
        assert.equal(formatConntrackLine(entry), line);
      }
    });
  }

  it("prints both tuples, what was translated and the counters", () => {
    const entry = parse(
      "ipv4     2 tcp      6 431999 ESTABLISHED src=10.244.1.74 dst=10.96.186.17 sport=58240 dport=7000 packets=8 bytes=439 " +
        "src=10.244.1.73 dst=10.244.1.74 sport=7000 dport=58240 packets=5 bytes=349 [ASSURED] mark=3 zone=9 use=1",
    );
    assert.ok(entry);
    assert.deepEqual(
      [0, 1, 2, 3].map((place) => formatAddress(entry.addresses, place * 4)),
      ["10.244.1.74", "10.96.186.17", "10.244.1.73", "10.244.1.74"],
    );
    assert.deepEqual([...entry.ports], [58240, 7000, 7000, 58240]);
    assert.deepEqual([...entry.counters], [8, 439, 5, 349]);
    assert.equal(
      entry.status,
      FlowStatus.destinationNat | FlowStatus.seenReply | FlowStatus.assured | FlowStatus.confirmed,
    );
    assert.deepEqual([entry.mark, entry.zone, entry.timeoutSeconds, entry.state], [3, 9, 431999, 3]);
  });

  it("distinguishes an icmp tuple's type, code and id from the entry's id", () => {
    const entry = parse(
      "icmp     1 23 src=10.1.1.14 dst=10.1.1.1 type=8 code=3 id=10017 src=10.1.1.1 dst=10.1.1.14 type=0 code=0 id=10018 mark=0 use=2 id=77",
    );
    assert.ok(entry);
    assert.deepEqual([...entry.ports], [10017, (8 << 8) | 3, 10018, 0]);
    assert.equal(entry.id, 77);
  });

  it("ignores an unknown key", () => {
    const line = `tcp      6 9 CLOSE ${TUPLES} mark=0 use=2`;
    assert.equal(formatConntrackLine(parse(line.replace("mark", "novel=1 mark"))!), line);
  });

  const broken: readonly (readonly [what: string, line: string])[] = [
    ["nothing", ""],
    ["a protocol under another's number", `tcp      17 9 CLOSE ${TUPLES}`],
    ["a family under another's number", `ipv4     10 udp      17 9 ${TUPLES}`],
    ["one tuple only", "udp      17 9 src=10.0.0.1 dst=10.0.0.2 sport=1 dport=2"],
    ["a port beyond 16 bits", `udp      17 9 ${TUPLES.replace("sport=2", "sport=65536")}`],
    ["ports in one tuple only", `udp      17 9 ${TUPLES.replace("sport=2 dport=1", "")}`],
    ["an address of five parts", `udp      17 9 ${TUPLES.replace("src=10.0.0.1", "src=10.0.0.1.1")}`],
    [
      "an address with a number too large",
      `udp      17 9 ${TUPLES.replace("src=10.0.0.1", "src=10.0.0.256")}`,
    ],
    ["addresses of two families", `udp      17 9 ${TUPLES.replace("src=10.0.0.2", "src=fd00::1")}`],
    ["a word that is no field", `udp      17 9 ${TUPLES} nonsense`],
    ["a flag that does not exist", `udp      17 9 ${TUPLES} [SOMETHING]`],
    ["three tuples", `udp      17 9 ${TUPLES} src=1.1.1.1`],
    ["a date that does not exist", `udp      17 9 ${TUPLES} [start=Sun Nov 99 12:02:14 2026] use=1`],
  ];
  for (const [what, line] of broken) it(`with ${what} is refused`, () => assert.equal(parse(line), null));

  it("takes any bytes", () => {
    const words =
      "ipv4 2 tcp 6 ESTABLISHED [UNREPLIED] [start= src=1.2.3.4 dst=:: sport=1 dport=2 type=8 code=0 id=3 mark=0 " +
      "zone=1 use=2 = src= labels= icmp 1";
    const field = fc.constantFrom(...words.split(" "));
    const line = fc.array(fc.oneof(field, fc.string({ unit: "binary", maxLength: 8 })), { maxLength: 24 });
    fc.assert(
      fc.property(line, (fields) => {
        const entry = parse(fields.join(" "));
        // Every line that parses can be printed, and the printed line parses to the same entry.
        if (entry === null) return;
        const again = parse(formatConntrackLine(entry));
        assert.equal(formatConntrackLine(again!), formatConntrackLine(entry));
      }),
      { numRuns: 300 },
    );
  });

  it("keeps short addresses short beside one whose short form is as long as the long one", () => {
    const whole = "2a02:1234:5678:9abc:def0:1234:5678:9abc";
    const line =
      `tcp      6 100 ESTABLISHED src=${whole} dst=2001:db8::1 sport=40000 dport=443 ` +
      `src=2001:db8::1 dst=${whole} sport=443 dport=40000 [ASSURED] use=1`;
    const entry = parse(line);
    assert.ok(entry);
    assert.equal(formatConntrackLine(entry), line);
  });

  it("prints and parses every entry", () => {
    const address = fc.oneof(
      fc.nat(0xffffffff).map((word) => ({ family: 4, words: [0, 0, 0xffff, word] })),
      fc
        .array(fc.constantFrom<number>(0, 1, 0xfd000000, 0xffffffff), { minLength: 4, maxLength: 4 })
        .filter(([a, b, c]) => !(a === 0 && b === 0 && c === 0xffff))
        .map((words) => ({ family: 6, words })),
    );
    const four = fc
      .array(address, { minLength: 4, maxLength: 40 })
      .map((list) => list.filter(({ family }) => family === list[0]!.family))
      .filter(({ length }) => length >= 4);
    const port = fc.nat(0xffff);
    const any = fc.record({
      four,
      ports: fc.tuple(port, port, port, port),
      counters: fc.option(fc.tuple(fc.nat(), fc.nat(2 ** 31), fc.nat(), fc.nat())),
      mark: fc.option(fc.nat(0xffffffff)),
      zone: fc.option(fc.tuple(fc.constantFrom(0, 1, 2), fc.nat(0xffff))),
      replied: fc.boolean(),
      assured: fc.boolean(),
      startSeconds: fc.option(fc.nat(2 ** 31)),
      long: fc.boolean(),
    });
    fc.assert(
      fc.property(any, (made) => {
        const entry = new ConntrackEntry();
        entry.protocol = 17;
        entry.tuple = 1;
        entry.family = made.four[0]!.family;
        for (const [place, { words }] of made.four.slice(0, 4).entries())
          entry.addresses.set(words, place * 4);
        entry.ports.set(made.ports);
        if (made.counters !== null) {
          entry.counters.set(made.counters);
          entry.has |= EntryField.counters;
        }
        if (made.mark !== null) {
          entry.mark = made.mark;
          entry.has |= EntryField.mark;
        }
        if (made.zone !== null) {
          [entry.zoneDirection, entry.zone] = made.zone;
          entry.has |= EntryField.zone;
        } else entry.zoneDirection = ZoneDirection.both;
        if (made.startSeconds !== null) {
          entry.startMs = made.startSeconds * 1000;
          entry.has |= EntryField.start;
        }
        if (made.long && entry.family === 6) entry.has |= EntryField.longAddresses;
        if (made.replied) entry.status |= FlowStatus.seenReply;
        if (made.assured) entry.status |= FlowStatus.assured;
        const again = parse(formatConntrackLine(entry));
        assert.ok(again);
        const { status, ...rest } = again;
        const { status: wanted, ...expected } = entry;
        assert.deepEqual(rest, expected);
        const told = FlowStatus.seenReply | FlowStatus.assured;
        assert.equal(status & told, wanted & told);
      }),
    );
  });
});
