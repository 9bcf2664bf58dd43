import assert from "node:assert/strict";
import { rmSync, writeFileSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import fc from "fast-check";

import { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { CtnetlinkReader } from "./ctnetlink.ts";
import type { ConntrackChoice } from "./conntrack-choice.ts";
import {
  Account,
  ConntrackNamespace,
  conntrackObstacle,
  flowSourceOf,
  taken,
  textsOfLines,
} from "./flows-for-tests.ts";

const skip = conntrackObstacle() ?? false;
const DEADLINE_MS = 20_000;
/** More than any kernel gives (PID_MAX_LIMIT is 2^22). */
const NO_PID = 2 ** 23;

// The clock stands still but where a test moves it, so that nothing is re-read on its own.
function sourceOf(namespace: ConntrackNamespace, choice: ConntrackChoice) {
  const clock = { nowMs: 0 };
  return { clock, source: flowSourceOf(namespace.pid, choice, () => clock.nowMs) };
}

function insertKinds(namespace: ConntrackNamespace): void {
  const ipv4 = ["-s", "10.0.0.1", "-d", "10.0.0.2"];
  const ipv6 = ["-s", "fd00::1", "-d", "fd00::2"];
  namespace.insert(
    "tcp",
    ...ipv4,
    "--sport",
    "1234",
    "--dport",
    "80",
    "--state",
    "ESTABLISHED",
    "-u",
    "ASSURED,SEEN_REPLY",
  );
  namespace.insert("tcp", ...ipv6, "--sport", "1234", "--dport", "80", "--state", "SYN_SENT");
  namespace.insert("udp", ...ipv4, "--sport", "7", "--dport", "53", "-w", "9");
  namespace.insert(
    "udp",
    ...ipv4,
    "--sport",
    "8",
    "--dport",
    "53",
    "--dst-nat",
    "10.9.9.9:5353",
    "--src-nat",
    "10.8.8.8:99",
  );
  namespace.insert("udplite", ...ipv4, "--sport", "7", "--dport", "53");
  namespace.insert("icmp", ...ipv4, "--icmp-type", "8", "--icmp-code", "0", "--icmp-id", "77");
  namespace.insert("icmpv6", ...ipv6, "--icmpv6-type", "128", "--icmpv6-code", "0", "--icmpv6-id", "77");
  namespace.insert("gre", ...ipv4, "--srckey", "1", "--dstkey", "258");
  namespace.insert("99", ...ipv4);
  try {
    const tags = ["--orig-vtag", "1", "--reply-vtag", "2"];
    namespace.insert("sctp", ...ipv4, "--sport", "1", "--dport", "2", "--state", "ESTABLISHED", ...tags);
  } catch {
    // A kernel without NF_CT_PROTO_SCTP.
  }
}

// An entry's line without its timeout.
function withoutTimes(text: string): string {
  return text.replaceAll(/(\d+ \d+) \d+ /g, "$1 ");
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const start = performance.now(); !condition(); await sleep(5))
    if (performance.now() - start > DEADLINE_MS) assert.fail(`still not: ${what}`);
}

describe("flows of a namespace", { skip }, () => {
  it("are dumped as conntrack -L tells them", async () => {
    using namespace = await new ConntrackNamespace().ready();
    insertKinds(namespace);
    const { source } = sourceOf(namespace, "auto");
    await source.refresh();
    assert.equal(source.mode, "events");
    assert.deepEqual(source.limits(), []);
    const account = new Account(true);
    account.apply(taken(source, true));
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    assert.ok(account.flows.size >= 9);
    source.close();
  });

  it("are read from /proc as from netlink", async (test) => {
    using namespace = await new ConntrackNamespace().ready();
    insertKinds(namespace);
    if (namespace.text() === null) return test.skip("this kernel has no /proc/net/nf_conntrack");
    const { source } = sourceOf(namespace, "proc");
    await source.refresh();
    assert.equal(source.mode, "proc");
    const account = new Account(false);
    account.apply(taken(source, true));
    assert.deepEqual(account.texts(), textsOfLines(namespace.text()!, false));
    source.close();
  });

  it("come and go with events, without a dump", async () => {
    using namespace = await new ConntrackNamespace().ready();
    const { source } = sourceOf(namespace, "events");
    await source.refresh();
    const account = new Account(true);
    insertKinds(namespace);
    await until("the entries are told", () => source.size >= 9);
    account.apply(taken(source));
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    namespace.run("conntrack", "-D", "-p", "udp");
    await until("udp is gone", () => {
      account.apply(taken(source));
      return !account.texts().some((text) => text.startsWith("udp "));
    });
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    source.close();
  });

  it("that came before and send no event when they end are ended by a re-reading", async () => {
    using namespace = await new ConntrackNamespace().ready();
    insertKinds(namespace);
    const { source, clock } = sourceOf(namespace, "dump");
    await source.refresh();
    const account = new Account(true);
    account.apply(taken(source));
    namespace.run("conntrack", "-D", "-p", "tcp");
    await source.refresh();
    account.apply(taken(source));
    assert.notDeepEqual(account.texts(), textsOfLines(namespace.list(), true), "it is paced");
    clock.nowMs += 60_001;
    await source.refresh();
    account.apply(taken(source));
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    source.close();
  });

  it("that lived between two looks are told, and an entry with the tuple of an earlier one is another", async () => {
    using namespace = await new ConntrackNamespace().ready();
    const { source } = sourceOf(namespace, "events");
    await source.refresh();
    const words = ["-s", "10.0.0.1", "-d", "10.0.0.2", "--sport", "1", "--dport", "53"];
    namespace.insert("udp", ...words);
    namespace.run("conntrack", "-D", "-p", "udp");
    namespace.insert("udp", ...words);
    await until("three events came", () => source.events >= 3);
    const { added, removed } = taken(source);
    assert.equal(added.length, 2);
    assert.equal(removed.length, 1);
    assert.notEqual(added.id[0], added.id[1]);
    source.close();
  });

  it("are known to the last one after a flood", async () => {
    using namespace = await new ConntrackNamespace().ready();
    const { source, clock } = sourceOf(namespace, "auto");
    await source.refresh();
    const account = new Account(true);
    const lines: string[] = [];
    for (let i = 0; i < 5000; i++)
      lines.push(`-I -p udp -t 600 -s 10.1.${i >> 8}.${i & 255} -d 10.0.0.2 --sport 1 --dport 53`);
    const file = `/tmp/${namespace.name}.txt`;
    writeFileSync(file, `${lines.join("\n")}\n`);
    namespace.run("conntrack", "-R", file);
    namespace.run("conntrack", "-D", "-s", "10.1.3.0/24");
    rmSync(file);
    clock.nowMs += 60_001;
    await source.refresh();
    account.apply(taken(source));
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    source.close();
  });

  it("leave counters and settings as they were", async () => {
    using namespace = await new ConntrackNamespace().ready();
    namespace.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1");
    namespace.run("iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW");
    namespace.run("sh", "-c", "ping -c 3 -i 0.01 127.0.0.1 || true");
    const settings = (): string =>
      namespace.run(
        "sh",
        "-c",
        "cd /proc/sys/net/netfilter; grep . nf_conntrack_a* nf_conntrack_e* nf_conntrack_max nf_conntrack_t*",
      );
    const before = [namespace.list(), settings()];
    const { source } = sourceOf(namespace, "auto");
    await source.refresh();
    taken(source);
    source.close();
    assert.deepEqual([namespace.list(), settings()].map(withoutTimes), before.map(withoutTimes));
  });

  it("are told to be absent where nothing may be read", async () => {
    const source = flowSourceOf(NO_PID, "auto");
    await source.refresh();
    assert.equal(source.mode, "none");
    assert.equal(source.limits().length, 1);
    const off = flowSourceOf(NO_PID, "none");
    await off.refresh();
    assert.equal(taken(off, true).added.length, 0);
    assert.match(off.limits()[0]!, /not read/);
  });
});

describe("conntrack messages", () => {
  it("are read from any bytes", () => {
    const reader = new CtnetlinkReader(new ConntrackEntry(), true);
    const attribute = fc
      .record({ type: fc.nat(22), nested: fc.boolean(), bytes: fc.uint8Array({ maxLength: 24 }) })
      .map(({ type, nested, bytes }) =>
        [bytes.length + 4, 0, type, nested ? 0x80 : 0, ...bytes, 0, 0, 0].slice(0, (bytes.length + 7) & ~3),
      );
    fc.assert(
      fc.property(
        fc.constantFrom(2, 10, 7),
        fc.array(fc.oneof(attribute, fc.array(fc.nat(255)))),
        (family, parts) => {
          const bytes = Uint8Array.from([family, 0, 0, 0, ...parts.flat()]);
          reader.read(new DataView(bytes.buffer), 0, bytes.length);
        },
      ),
    );
  });
});
