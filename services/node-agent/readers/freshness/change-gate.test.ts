import assert from "node:assert/strict";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";

import { monotonicNs } from "../../kernel/monotonic-clock.ts";
import { ChangeGate, REFRESH_TICKS, TRAFFIC_TICKS } from "./change-gate.ts";

const namespace = { inode: 7, host: false, pids: [11, 12] };

interface Values {
  activeOpens?: number;
  inSegs?: number;
  datagrams?: number;
  inuse?: number;
  inuse6?: number;
  timeWait?: number;
}

// A namespace's counters in the kernel's format, reduced to the lines that matter.
class Counters implements Disposable {
  readonly root = mkdtempSync(path.join(tmpdir(), "whotalks-gate-"));

  set(pid: number, values: Values = {}): void {
    const { activeOpens = 3, inSegs = 100, datagrams = 5, inuse = 2, inuse6 = 1, timeWait = 0 } = values;
    const net = path.join(this.root, String(pid), "net");
    mkdirSync(net, { recursive: true });
    const snmp = [
      "Ip: Forwarding DefaultTTL InReceives",
      "Ip: 1 64 100",
      "Tcp: RtoAlgorithm ActiveOpens PassiveOpens AttemptFails EstabResets CurrEstab InSegs OutSegs",
      `Tcp: 1 ${activeOpens} 4 0 0 2 ${inSegs} 90`,
      "Udp: InDatagrams NoPorts",
      `Udp: ${datagrams} 0`,
      "UdpLite: InDatagrams NoPorts",
      "UdpLite: 0 0",
    ];
    writeFileSync(path.join(net, "snmp"), `${snmp.join("\n")}\n`);
    const sockstat = ["sockets: used 9", `TCP: inuse ${inuse} orphan 0 tw ${timeWait} alloc 9 mem 1`];
    writeFileSync(path.join(net, "sockstat"), `${sockstat.join("\n")}\nUDP: inuse 1 mem 2\n`);
    writeFileSync(path.join(net, "sockstat6"), `TCP6: inuse ${inuse6}\nUDP6: inuse 0\n`);
  }

  [Symbol.dispose](): void {
    rmSync(this.root, { recursive: true });
  }
}

describe("the change gate", () => {
  it("reports what moved since a namespace was read", () => {
    using counters = new Counters();
    counters.set(11);
    const startNs = monotonicNs();
    const gate = new ChangeGate(counters.root);
    const before = gate.look(namespace);
    const { readNs = 0, ...counted } = before?.tcpCounters ?? {};
    assert.deepEqual(counted, { activeOpens: 3, passiveOpens: 4, attemptFails: 0 });
    assert.ok(readNs > startNs && readNs <= monotonicNs());
    assert.equal(gate.movement(namespace, before, 0), "sockets", "it was never read");
    gate.settle(namespace, 0, before, 0);
    for (const [values, moved] of [
      [{}, "nothing"],
      [{ activeOpens: 4 }, "sockets"],
      [{ inuse: 3 }, "sockets"],
      [{ inuse6: 2 }, "sockets"],
      [{ timeWait: 1 }, "sockets"],
      [{ inSegs: 101 }, "traffic"],
      [{ datagrams: 6 }, "traffic"],
    ] as const) {
      counters.set(11, values);
      assert.equal(gate.movement(namespace, gate.look(namespace), 1), moved, JSON.stringify(values));
    }
  });

  it("lets what only data moved be old for some seconds, and everything for a minute", () => {
    using counters = new Counters();
    counters.set(11);
    const gate = new ChangeGate(counters.root);
    const before = gate.look(namespace);
    gate.settle(namespace, 0, before, 0);
    counters.set(11, { inSegs: 101 });
    const after = gate.look(namespace);
    assert.equal(gate.movement(namespace, after, TRAFFIC_TICKS - 1), "traffic");
    assert.equal(gate.movement(namespace, after, TRAFFIC_TICKS), "due");
    assert.equal(gate.movement(namespace, before, REFRESH_TICKS - 1), "nothing");
    assert.equal(gate.movement(namespace, before, REFRESH_TICKS), "due");
  });

  it("asks the next process if one is gone, and is open if none answers", () => {
    using counters = new Counters();
    const gate = new ChangeGate(counters.root);
    assert.equal(gate.look(namespace), null);
    assert.equal(gate.movement(namespace, null, 0), "sockets");
    counters.set(12);
    assert.notEqual(gate.look(namespace), null);
  });
});
