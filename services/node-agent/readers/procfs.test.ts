import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { cpSync, mkdirSync, mkdtempSync, readdirSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";

import { formatAddress } from "../../../lib/address.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import type { NamespaceReading, NamespaceRecord, SocketSink } from "../observation.ts";
import { createProcessScanner } from "../processes/scan.ts";
import { createProcfsReader } from "./procfs.ts";

const captures = new URL("../../../test/fixtures/captures/", import.meta.url);
const roots: string[] = [];
after(() => roots.forEach((root) => rmSync(root, { recursive: true })));

// Builds a saved tree from a captured process: net-tcp becomes <pid>/net/tcp.
function savedTree(pid: number, capture: string): string {
  const root = mkdtempSync(path.join(tmpdir(), "whotalks-net-"));
  roots.push(root);
  const net = path.join(root, String(pid), "net");
  mkdirSync(net, { recursive: true });
  const directory = new URL(`${capture}/`, captures);
  for (const name of readdirSync(directory)) {
    if (name.startsWith("net-")) cpSync(new URL(name, directory), path.join(net, name.slice("net-".length)));
  }
  return root;
}

function read(
  procRoot: string,
  namespace: NamespaceRecord,
  unixPeers = false,
): { reading: NamespaceReading; sink: SocketSink; limits: readonly string[] } {
  const sink: SocketSink = { sockets: new SocketTable(), familySockets: [] };
  const reader = createProcfsReader({ procRoot, littleEndian: true, nowTicks: () => 0, unixPeers });
  const reading = reader.read(namespace, 5, sink);
  return { reading, sink, limits: reader.limits() };
}

function describeRows({ sockets }: SocketSink): string[] {
  return Array.from({ length: sockets.length }, (_, row) =>
    [
      sockets.protocol[row],
      `${formatAddress(sockets.addresses, 8 * row)}#${sockets.localPort[row]}`,
      `${formatAddress(sockets.addresses, 8 * row + 4)}#${sockets.remotePort[row]}`,
      sockets.state[row],
    ].join(" "),
  );
}

describe("a saved tree", () => {
  it("is read whole, and tables that it lacks are none", () => {
    const root = savedTree(12, "node2/pid-404-coredns");
    const { reading, sink } = read(root, { inode: 0, host: false, pids: [12] });
    assert.equal(reading.read, true);
    assert.equal(reading.linesMalformed, 0);
    assert.equal(sink.sockets.length, 11);
    assert.deepEqual(new Set(sink.sockets.namespace.subarray(0, 11)), new Set([5]));
    assert.ok(reading.tcpCounters!.passiveOpens > 0);
  });

  it("is read through the next process if the first one is gone", () => {
    const root = savedTree(12, "node2/pid-404-coredns");
    mkdirSync(path.join(root, "11/net"), { recursive: true });
    const { reading, sink } = read(root, { inode: 0, host: false, pids: [10, 11, 12] });
    assert.equal(reading.read, true);
    assert.equal(sink.sockets.length, 11);
  });

  it("counts as failed, and leaves nothing behind, if no process answers", () => {
    const root = savedTree(12, "node2/pid-404-coredns");
    const { reading, sink } = read(root, { inode: 0, host: false, pids: [10, 11] });
    assert.deepEqual([reading.read, sink.sockets.length, reading.tcpCounters], [false, 0, null]);
  });

  it("has unix sockets without peers, and says so", () => {
    const root = savedTree(12, "node2/pid-287-pause");
    const { sink, limits } = read(root, { inode: 0, host: false, pids: [12] }, true);
    assert.equal(sink.familySockets.length, 39);
    assert.match(limits.join(), /not the running kernel/);
    assert.deepEqual(read(root, { inode: 0, host: false, pids: [12] }, false).limits, []);
  });
});

describe("the running kernel", () => {
  const own: NamespaceRecord = { inode: 0, host: false, pids: [process.pid] };

  it("shows the sockets of this process: TCP over IPv4 and IPv6, UDP, unix with its peer", async () => {
    const server = createServer((socket) => void socket.resume()).listen(0, "::");
    await once(server, "listening");
    const { port } = server.address() as AddressInfo;
    const client = createConnection(port, "127.0.0.1");
    const datagrams = createSocket("udp4").bind(0, "127.0.0.1");
    const name = `\0whotalks-reader-${process.pid}`;
    const unixServer = createServer().listen(name);
    await Promise.all([
      once(client, "connect"),
      once(server, "connection"),
      once(datagrams, "listening"),
      once(unixServer, "listening"),
    ]);
    const unixClient = createConnection(name);
    await once(unixClient, "connect");
    try {
      const { reading, sink, limits } = read("/proc", own, true);
      assert.equal(reading.read, true);
      assert.deepEqual(limits, []);
      const rows = describeRows(sink);
      assert.ok(rows.includes(`6 ::#${port} ::#0 10`));
      assert.ok(rows.includes(`6 127.0.0.1#${client.localPort} 127.0.0.1#${port} 1`));
      assert.ok(rows.includes(`6 127.0.0.1#${port} 127.0.0.1#${client.localPort} 1`));
      assert.ok(rows.includes(`17 127.0.0.1#${datagrams.address().port} 0.0.0.0#0 7`));
      const accepted = sink.familySockets.find(
        ({ path: shown, state }) => shown === name.replace("\0", "@") && state === 1,
      );
      const peer = sink.familySockets.find(({ inode }) => inode === accepted?.peerInode);
      assert.ok(accepted !== undefined && accepted.peerInode > 0);
      assert.equal(peer?.peerInode, accepted.inode);
    } finally {
      client.destroy();
      server.close();
      datagrams.close();
      unixClient.destroy();
      unixServer.close();
    }
  });

  it("shows each network namespace apart, with its own counters and addresses", async (t) => {
    if (process.getuid!() !== 0) return t.skip("needs root to make a network namespace");
    const script = `ip link set lo up && ip address add 192.0.2.77/32 dev lo && exec ${process.execPath} -e "
      const net = require('net');
      const server = net.createServer((s) => s.resume()).listen(7001, '127.0.0.1', () => {
        net.createConnection(7001, '127.0.0.1', () => console.log('ready'));
      });"`;
    const child = spawn("unshare", ["-n", "sh", "-c", script], { stdio: ["ignore", "pipe", "inherit"] });
    const exited = once(child, "close");
    try {
      const [output] = (await Promise.race([once(child.stdout, "data"), exited])) as [unknown];
      if (!Buffer.isBuffer(output)) return t.skip("needs ip and unshare");
      const scan = createProcessScanner({ procRoot: "/proc" }).scan();
      const namespace = scan.namespaces.find(({ pids }) => pids.includes(child.pid!))!;
      assert.deepEqual([namespace.pids, namespace.host], [[child.pid], false]);
      const { reading, sink } = read("/proc", namespace, true);
      const rows = describeRows(sink);
      assert.equal(rows.length, 3);
      assert.ok(rows.includes("6 127.0.0.1#7001 0.0.0.0#0 10"));
      const { readNs: _, ...counted } = reading.tcpCounters!;
      assert.deepEqual(counted, { activeOpens: 1, passiveOpens: 1, attemptFails: 0 });
      assert.ok(reading.addresses.some((address) => address.join(".") === "192.0.2.77"));
    } finally {
      child.kill("SIGKILL");
      await exited;
    }
  });

  it("says that it cannot work if there is no process to read", () => {
    const reader = createProcfsReader({
      procRoot: "/sys",
      littleEndian: true,
      nowTicks: () => 0,
      unixPeers: false,
    });
    assert.match(reader.probe()!, /holds no process/);
    const live = createProcfsReader({
      procRoot: "/proc",
      littleEndian: true,
      nowTicks: () => 0,
      unixPeers: false,
    });
    assert.equal(live.probe(), null);
  });
});
