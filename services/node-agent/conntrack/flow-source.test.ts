import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { release } from "node:os";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { FlowStatus } from "../../../lib/conntrack/flow-status.ts";
import { TcpFlowState } from "../../../lib/vocabulary/states.ts";
import type { ConntrackChoice } from "../../../lib/vocabulary/conntrack-choices.ts";
import {
  Account,
  ConntrackNamespace,
  conntrackObstacle,
  flowSourceOf,
  taken,
  textsOfLines,
} from "./testing/flows.ts";

const skip = conntrackObstacle() ?? false;
const DEADLINE_MS = 120_000;
/**
 * Kernels before 5.11 do not report the state of a destroyed entry: the last one known is from the latest
 * dump.
 */
const endsTellState = !/^([1-4]|5\.([0-9]|10))\./.test(release());
/** Above every kernel's maximum pid (PID_MAX_LIMIT is 2^22). */
const NO_PID = 2 ** 23;

// The clock only moves when a test moves it, so that nothing is reread by itself.
function sourceOf(namespace: ConntrackNamespace, choice: ConntrackChoice) {
  const clock = { nowMs: 0 };
  return { clock, source: flowSourceOf(namespace.pid, choice, () => clock.nowMs) };
}

const ipv4 = "-s 10.0.0.1 -d 10.0.0.2";
const ipv6 = "-s fd00::1 -d fd00::2";

// Every kind of entry: protocols with and without ports, translations, one tuple in two zones.
const kinds = [
  `tcp ${ipv4} --sport 1234 --dport 80 --state ESTABLISHED -u ASSURED,SEEN_REPLY`,
  `tcp ${ipv6} --sport 1234 --dport 80 --state SYN_SENT`,
  `udp ${ipv4} --sport 7 --dport 53 -w 9`,
  `udp ${ipv4} --sport 7 --dport 53 -w 8`,
  `udp ${ipv4} --sport 7 --dport 53`,
  `udp ${ipv4} --sport 8 --dport 53 --dst-nat 10.9.9.9:5353 --src-nat 10.8.8.8:99`,
  `udplite ${ipv4} --sport 7 --dport 53`,
  `icmp ${ipv4} --icmp-type 8 --icmp-code 0 --icmp-id 77`,
  `icmpv6 ${ipv6} --icmpv6-type 128 --icmpv6-code 0 --icmpv6-id 77`,
  `gre ${ipv4} --srckey 1 --dstkey 258`,
  `99 ${ipv4}`,
];
const sctp = `sctp ${ipv4} --sport 1 --dport 2 --state ESTABLISHED --orig-vtag 1 --reply-vtag 2`;

function insertKinds(namespace: ConntrackNamespace): void {
  namespace.insertAll(kinds);
  try {
    namespace.insertAll([sctp]);
  } catch {
    // A kernel without NF_CT_PROTO_SCTP.
  }
}

function flood(count: number): string[] {
  return Array.from(
    { length: count },
    (_, i) => `udp -s 10.1.${i >> 8}.${i & 255} -d 10.0.0.2 --sport 1 --dport 53`,
  );
}

// Removes the timeout from an entry's line.
function withoutTimes(text: string): string {
  return text.replaceAll(/^(\w+ +\d+ \w+ +\d+) \d+ /gm, "$1 ");
}

async function until(what: string, condition: () => boolean): Promise<void> {
  for (const start = performance.now(); !condition(); await sleep(5))
    if (performance.now() - start > DEADLINE_MS) assert.fail(`still not: ${what}`);
}

describe("flows of a namespace", { skip }, () => {
  it("are dumped as conntrack -L prints them", async () => {
    using namespace = await new ConntrackNamespace().ready();
    insertKinds(namespace);
    const { source } = sourceOf(namespace, "auto");
    await source.refresh();
    assert.equal(source.mode, "events");
    assert.deepEqual(source.limits(), []);
    const account = new Account(true);
    account.apply(taken(source, true));
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    assert.ok(account.flows.size >= kinds.length, account.texts().join("\n"));
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
    await until("the entries are told", () => source.size >= kinds.length);
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

  it("that lived between two readings are reported, and an entry with an earlier one's tuple is another", async () => {
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
    // Entries from before the flood must be known too.
    namespace.insertAll(kinds);
    await source.refresh();
    account.apply(taken(source));
    namespace.insertAll(flood(2000));
    namespace.run("conntrack", "-D", "-s", "10.1.3.0/24");
    clock.nowMs += 60_001;
    await source.refresh();
    account.apply(taken(source));
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    source.close();
  });

  it("are complete again after lost events, which are counted and reported", async () => {
    using namespace = await new ConntrackNamespace().ready();
    const clock = { nowMs: 0 };
    // The smallest buffer that the kernel allows: a few events. This thread is blocked during the flood.
    const source = flowSourceOf(namespace.pid, "events", () => clock.nowMs, 1);
    await source.refresh();
    const account = new Account(true);
    namespace.insertAll(flood(500));
    await source.refresh();
    assert.ok(source.overruns > 0);
    assert.match(source.limits()[0]!, /dropped conntrack events/);
    clock.nowMs += 60_001;
    await source.refresh();
    account.apply(taken(source));
    assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
    source.close();
  });

  for (const setting of ["1", "2"]) {
    it(`older than the listener end, with nf_conntrack_events ${setting}`, async (test) => {
      using namespace = await new ConntrackNamespace().ready();
      namespace.list();
      try {
        namespace.run("sysctl", "-qw", `net.netfilter.nf_conntrack_events=${setting}`);
      } catch {
        return test.skip(`this kernel does not know nf_conntrack_events=${setting}`);
      }
      namespace.insertAll(kinds);
      const { source, clock } = sourceOf(namespace, "events");
      await source.refresh();
      const account = new Account(true);
      account.apply(taken(source));
      assert.ok(account.flows.size >= kinds.length);
      namespace.run("conntrack", "-D", "-p", "udp");
      clock.nowMs += 60_001;
      await source.refresh();
      account.apply(taken(source));
      assert.deepEqual(account.texts(), textsOfLines(namespace.list(), true));
      assert.ok(!account.texts().some((text) => text.startsWith("udp ")));
      source.close();
    });
  }

  it("are dumped if events are off, which the limits say", async () => {
    using namespace = await new ConntrackNamespace().ready();
    namespace.list();
    namespace.run("sysctl", "-qw", "net.netfilter.nf_conntrack_events=0");
    const { source } = sourceOf(namespace, "auto");
    await source.refresh();
    assert.equal(source.mode, "dump");
    assert.match(source.limits()[0]!, /nf_conntrack_events is 0/);
    source.close();
  });

  it("are reported with their last state when they end", async () => {
    using namespace = await new ConntrackNamespace().ready();
    const { source } = sourceOf(namespace, "events");
    await source.refresh();
    const tuple = ["-p", "tcp", ...`${ipv4} --sport 1234 --dport 80`.split(" ")];
    namespace.insertAll([`${tuple.slice(1).join(" ")} --state SYN_SENT`]);
    await until("it began", () => source.size === 1);
    const [id] = taken(source).added.id;
    // These changes happen while no events are read.
    namespace.run("conntrack", "-U", ...tuple, "--state", "CLOSE_WAIT", "-u", "ASSURED,SEEN_REPLY");
    namespace.run("conntrack", "-D", "-p", "tcp");
    await until("it ended", () => source.size === 0);
    const { added, changed, removed } = taken(source);
    assert.deepEqual([added.length, changed.length, changed.id[0]], [0, 1, id]);
    assert.deepEqual(removed, [id]);
    if (endsTellState) assert.equal(changed.state[0], TcpFlowState.closeWait);
    assert.ok((changed.status[0]! & FlowStatus.seenReply) !== 0);
    source.close();
  });

  it("that a reset refused are reported as closed without a reply", async () => {
    using namespace = await new ConntrackNamespace().ready();
    namespace.run("iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW");
    const { source } = sourceOf(namespace, "events");
    await source.refresh();
    namespace.run("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/9 || true");
    await until("its beginning and its end came", () => source.events >= 2);
    const { added, removed } = taken(source);
    assert.deepEqual(removed, [added.id[0]]);
    if (endsTellState) assert.equal(added.state[0], TcpFlowState.close);
    assert.equal(added.status[0]! & (FlowStatus.seenReply | FlowStatus.assured), 0);
    source.close();
  });

  it("of pings are reported over IPv4 and IPv6, with counters if the kernel keeps them", async (test) => {
    if (spawnSync("ping", ["-V"]).error !== undefined) return test.skip("needs ping");
    for (const keeps of [0, 1]) {
      using namespace = await new ConntrackNamespace().ready();
      for (const tool of ["iptables", "ip6tables"])
        namespace.run(tool, "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW");
      namespace.run("sysctl", "-qw", `net.netfilter.nf_conntrack_acct=${keeps}`);
      for (const address of ["127.0.0.1", "::1"]) namespace.run("ping", "-c", "1", address);
      const { source } = sourceOf(namespace, "auto");
      await source.refresh();
      const { added } = taken(source, true);
      const protocols = [...added.protocol.subarray(0, added.length)];
      // Besides the pings there may be IPv6 neighbour discovery.
      assert.deepEqual(new Set(protocols), new Set([Protocol.icmp, Protocol.icmpv6]));
      assert.equal(added.counters[protocols.indexOf(Protocol.icmp) * 4]! > 0, keeps === 1);
      source.close();
    }
  });

  it("leave counters and settings as they were", async () => {
    using namespace = await new ConntrackNamespace().ready();
    namespace.run("sysctl", "-qw", "net.netfilter.nf_conntrack_acct=1");
    namespace.run("iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW");
    namespace.run("bash", "-c", "for i in 1 2 3; do echo $i > /dev/udp/127.0.0.1/9; done");
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

  it("are reported as absent if nothing may be read", async () => {
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
