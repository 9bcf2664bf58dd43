// Against the running kernel, in the tests' own network namespaces.

import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { existsSync } from "node:fs";
import { describe, it } from "node:test";
import { setTimeout as sleep } from "node:timers/promises";

import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import type { Started, ToldPass, ToldSocket } from "./testing/watched-namespace.ts";
import { ip, WatchedNamespace, withoutNamespaces } from "./testing/watched-namespace.ts";

// Opens `count` connections one after the other; `after` says what each end does after 100 bytes in one
// direction and 50 in the other. Prints the ports of server and clients.
const talk = (after: string, count = 1, host = "127.0.0.1"): string => `
  const net = require("node:net");
  const { once } = require("node:events");
  const server = net.createServer({ allowHalfOpen: true }).listen(0, "${host}", async () => {
    const ports = [];
    for (let i = 0; i < ${count}; i++) {
      const accepted = once(server, "connection");
      const client = net.connect({ port: server.address().port, host: "${host}", allowHalfOpen: true });
      const [peer] = await accepted;
      for (const end of [client, peer]) end.on("error", () => undefined);
      const closed = Promise.all([client, peer].map((end) => new Promise((resolve) => end.on("close", resolve))));
      if (client.connecting) await once(client, "connect");
      ports.push(client.localPort);
      client.write("x".repeat(100));
      await once(peer, "data");
      peer.write("y".repeat(50));
      await once(client, "data");
      ${after}
      await closed;
    }
    console.log(JSON.stringify({ server: server.address().port, clients: ports }));
  });`;

const CLIENT_FIRST = `client.end(); peer.on("end", () => peer.end());`;
const SERVER_FIRST = `peer.end(); client.on("end", () => client.end());`;
const CLIENT_RESETS = `client.resetAndDestroy();`;
const SERVER_RESETS = `peer.resetAndDestroy();`;

// Ends the script once it has printed.
const QUIT = `const { log } = console; console.log = (line) => { log(line); server.close(); };`;

interface Talked {
  readonly server: number;
  readonly clients: readonly number[];
}

// Ends on the test's server port, with their holders and bytes.
function ends({ sockets, changes }: ToldPass, { server }: Talked): string[] {
  const last = new Map<number, ToldSocket>();
  for (const socket of [...sockets, ...changes]) last.set(socket.id, { ...last.get(socket.id), ...socket });
  return [...last.values()]
    .filter(({ localPort, remotePort }) => localPort === server || remotePort === server)
    .filter(({ state }) => state !== "LISTEN")
    .map(({ localPort, sent, received, counted }) =>
      [localPort === server ? "server" : "client", ...(counted ? [sent, received] : ["unknown"])].join(" "),
    )
    .toSorted((a, b) => a.localeCompare(b));
}

async function accountAfter(watched: WatchedNamespace): Promise<Record<string, unknown>> {
  // A new connection has one pass to appear.
  await watched.pass();
  const { account } = await watched.pass();
  const { openedByKernel, failedByKernel, seen, unseen } = account!;
  return { opened: openedByKernel, failed: failedByKernel, seen, unseen };
}

// A kernel worker sends announcements, shortly after the socket is gone.
async function settled(watched: WatchedNamespace, events: number): Promise<void> {
  const deadline = Date.now() + 5000;
  while (watched.destroyed!.waitingIn(watched.inode) < events && Date.now() < deadline) {
    await sleep(5);
    watched.destroyed!.drain();
  }
}

describe("destroyed sockets", { skip: withoutNamespaces }, () => {
  for (const [reader, hosts] of [
    ["sock-diag", ["127.0.0.1", "::1"]],
    ["procfs", ["127.0.0.1"]],
    ["bpf-iter", ["::1"]],
  ] as const) {
    describe(`beside ${reader}`, () => {
      for (const [name, after, told] of [
        // The end that closes first and then waits for the other's FIN counts it as received: nothing
        // distinguishes it.
        ["closed by the client first", CLIENT_FIRST, ["client 100 51", "server 50 100"]],
        ["closed by the server first", SERVER_FIRST, ["client 100 50", "server 50 101"]],
        // The end that resets loses its counters; the other end has them.
        ["reset by the client", CLIENT_RESETS, ["client unknown", "server 50 100"]],
        ["reset by the server", SERVER_RESETS, ["client 100 50", "server unknown"]],
      ] as const) {
        for (const host of hosts) {
          it(`report a connection ${name}, ${host}`, async (t) => {
            using watched = new WatchedNamespace({ reader });
            if (watched.obstacle !== null) return t.skip(watched.obstacle);
            await using held = await hold(watched);
            await watched.pass();
            await using talking = await watched.start(talk(after, 1, host));
            const talked = JSON.parse(talking.line) as Talked;
            await settled(watched, 2);
            assert.deepEqual(ends(await watched.pass(), talked), told);
            assert.deepEqual(await accountAfter(watched), { opened: 2, failed: 0, seen: 2, unseen: 0 });
            assert.equal(held.pid > 0, true);
          });
        }
      }
    });
  }

  it("report a hundred connections, each once, whatever passes between them show", async () => {
    using watched = new WatchedNamespace();
    await using held = await hold(watched);
    await watched.pass();
    const told = new Map<number, ToldSocket>();
    for (let round = 0; round < 3; round++) {
      await using talking = await watched.start(talk(round % 2 === 0 ? CLIENT_FIRST : SERVER_FIRST, 50));
      const talked = JSON.parse(talking.line) as Talked;
      const pass = await watched.pass();
      for (const socket of pass.sockets)
        if (socket.state !== "LISTEN") told.set(socket.id + round * 1e6, socket);
      assert.equal(talked.clients.length, 50);
    }
    await settled(watched, 1).catch(() => undefined);
    for (const socket of (await watched.pass()).sockets)
      if (socket.state !== "LISTEN") told.set(socket.id + 1e7, socket);
    assert.equal(told.size, 300);
    assert.deepEqual(await accountAfter(watched), { opened: 300, failed: 0, seen: 300, unseen: 0 });
    assert.ok(held.pid > 0);
  });

  it("name the process that accepted, and give a socket that was known its last figures", async () => {
    using watched = new WatchedNamespace();
    await watched.pass();
    await using server = await watched.start(`
      const server = require("node:net").createServer((peer) => peer.on("data", () => peer.end("y".repeat(50))).on("error", () => {}));
      server.listen(0, "127.0.0.1", () => console.log(server.address().port));`);
    await using client = await watched.start(`
      const client = require("node:net").connect({ port: ${server.line}, host: "127.0.0.1", allowHalfOpen: true });
      client.on("connect", () => console.log(client.localPort));
      setTimeout(() => client.write("x".repeat(100)), 700);
      client.on("end", () => client.end()).resume();
      setTimeout(() => undefined, 1e6);`);
    const known = (await watched.pass()).sockets.find(({ localPort }) => localPort === Number(client.line));
    assert.deepEqual([known?.state, known?.sent], ["ESTABLISHED", 0]);
    const short = watched.run(`
      const client = require("node:net").connect(${server.line}, "127.0.0.1", () => client.write("x"));
      client.resume().on("close", () => console.log(JSON.stringify({ port })));
      let port; client.on("connect", () => { port = client.localPort; });`) as { readonly port: number };
    await sleep(800);
    await settled(watched, 4);
    const pass = await watched.pass();
    const last = pass.changes.find(({ id }) => id === known!.id);
    assert.deepEqual([last?.sent, last?.received, last?.ended], [100, 50, true]);
    const accepted = pass.sockets.find(
      ({ localPort, remotePort }) => localPort === Number(server.line) && remotePort === short.port,
    );
    // It closed first and waited for the other's FIN.
    assert.deepEqual([accepted?.received, accepted?.pids], [2, [server.pid]]);
  });

  it("report attempts that were refused, and those without an answer", async () => {
    using watched = new WatchedNamespace();
    await using held = await hold(watched);
    ip(`-n ${watched.name} link add d0 type veth peer name d1`);
    ip(`-n ${watched.name} addr add 10.9.0.1/24 dev d0`);
    ip(`-n ${watched.name} link set d0 up`);
    ip(`-n ${watched.name} link set d1 up`);
    ip(`-n ${watched.name} neigh add 10.9.0.2 lladdr 02:00:00:00:00:01 dev d0`);
    await watched.pass();
    watched.run(`require("node:net").connect(1, "127.0.0.1").on("error", () => console.log(1))`);
    // A blocking connect() loses the port.
    watched.exec("bash", "-c", "exec 3<>/dev/tcp/127.0.0.1/2 || true");
    watched.run(`
      const client = require("node:net").connect(3, "10.9.0.2").on("error", () => undefined);
      setTimeout(() => { client.destroy(); console.log(1); }, 100);`);
    await settled(watched, 3);
    const pass = await watched.pass();
    const attempts = pass.sockets
      .filter(({ attempt }) => attempt !== Attempt.none)
      .map(({ remotePort, state, attempt, ended }) => [remotePort, state, attempt, ended])
      .toSorted((a, b) => Number(a[0]) - Number(b[0]));
    assert.deepEqual(attempts, [
      [0, "SYN_SENT", Attempt.refused, true],
      [1, "SYN_SENT", Attempt.refused, true],
      [3, "SYN_SENT", Attempt.unanswered, true],
    ]);
    assert.deepEqual(await accountAfter(watched), { opened: 3, failed: 2, seen: 3, unseen: 0 });
    assert.ok(held.pid > 0);
  });

  it("leave the account alone when someone scans with half-open connections", async (t) => {
    if (!existsSync("/usr/bin/python3") && !hasPython()) return t.skip("needs python3 for a raw socket");
    using watched = new WatchedNamespace();
    await using held = await hold(watched);
    await watched.pass();
    watched.exec("python3", "-c", HALF_OPEN.replace("PORT", held.line));
    await watched.pass();
    const account = await accountAfter(watched);
    assert.deepEqual([account["opened"], account["seen"], account["unseen"]], [0, 0, 0]);
    assert.ok(Number(account["failed"]) >= 20, `AttemptFails moved by ${String(account["failed"])}`);
  });

  it("leave out what was opened before the agent began", async () => {
    using watched = new WatchedNamespace();
    await using server = await watched.start(`
      const net = require("node:net");
      const server = net.createServer((peer) => peer.resume().on("end", () => peer.end())).listen(0, "127.0.0.1", () => {
        const client = net.connect(server.address().port, "127.0.0.1", () => console.log(1));
        setTimeout(() => client.end("x".repeat(7)), 700);
        client.resume();
      });`);
    const before = await watched.pass();
    assert.equal(before.sockets.filter(({ state }) => state === "ESTABLISHED").length, 2);
    await sleep(800);
    await settled(watched, 2);
    const pass = await watched.pass();
    assert.equal(pass.sockets.length, 0);
    assert.ok(pass.changes.some(({ sent }) => sent === 7));
    assert.deepEqual(await accountAfter(watched), { opened: 0, failed: 0, seen: 0, unseen: 0 });
    assert.ok(server.pid > 0);
  });

  it("report connected UDP sockets, but not unconnected ones", async () => {
    using watched = new WatchedNamespace();
    await using held = await hold(watched);
    await watched.pass();
    watched.run(`
      const { createSocket } = require("node:dgram");
      const a = createSocket("udp4"), b = createSocket("udp4");
      b.bind(0, () => a.connect(5353, "127.0.0.1", () => a.send("x", () => { a.close(); b.close(); console.log(1); })));`);
    await settled(watched, 1);
    const { sockets } = await watched.pass();
    assert.deepEqual(
      sockets
        .filter(({ tuple }) => tuple.startsWith("udp"))
        .map(({ remotePort, ended }) => [remotePort, ended]),
      [[5353, true]],
    );
    assert.ok(held.pid > 0);
  });

  for (const numbered of [true, false]) {
    it(`report a namespace that existed only between two passes, ${numbered ? "with" : "without"} a number`, async () => {
      using watched = new WatchedNamespace({ numbered, later: true });
      await watched.pass();
      watched.make();
      await (await watched.start(talk(CLIENT_FIRST, 100))).end();
      await settled(watched, 200);
      if (numbered) ip(`netns del ${watched.name}`);
      const { sockets, account } = await watched.pass();
      const came = sockets.filter(({ ended }) => ended);
      // Without a number no event arrives before a scan finds a process in it.
      if (numbered) assert.deepEqual([came.length, account?.seen], [200, 200]);
      else assert.ok(came.length <= 200);
    });
  }

  it("keep no namespace alive whose last process has gone", async () => {
    using watched = new WatchedNamespace();
    const held = await hold(watched);
    await watched.pass();
    assert.equal((await watched.pass()).account?.destroyed, "events");
    ip(`link add ${watched.veth} type veth peer name eth0 netns ${watched.name}`);
    await held.end();
    ip(`netns del ${watched.name}`);
    const deadline = Date.now() + 5000;
    while (existsSync(`/sys/class/net/${watched.veth}`)) {
      assert.ok(Date.now() < deadline, "the namespace's interface is still there");
      await sleep(50);
    }
  });

  it("count what the kernel had to drop, and the account says what is missing", async () => {
    using watched = new WatchedNamespace({
      numbered: true,
      destroyed: { bufferBytes: 4096 },
    });
    await using held = await hold(watched);
    await watched.pass();
    // Synchronous: nothing is read from the socket meanwhile.
    watched.run(talk(SERVER_FIRST, 1500) + QUIT);
    const { coverage } = await watched.pass();
    assert.ok(coverage.destroyedOverruns > 0);
    assert.ok(coverage.limits.some((limit) => limit.includes("short connections may be missing")));
    const { opened, seen, unseen } = await accountAfter(watched);
    assert.equal(opened, 3000);
    assert.equal(Number(seen) + Number(unseen), 3000);
    assert.ok(Number(unseen) > 0);
    assert.ok(held.pid > 0);
  });

  it("need NET_BROADCAST to be received from other namespaces, and say so", () => {
    const script = `
      const { DestroyedSockets } = await import(${JSON.stringify(import.meta.resolve("./destroyed-sockets.ts"))});
      const heard = new DestroyedSockets({ procRoot: "/proc", elapsedMs: () => 0 });
      console.log(JSON.stringify([heard.hearing, heard.limits()]));
      heard.close();`;
    const run = (...before: string[]): [string, string[]] =>
      JSON.parse(
        execFileSync("setpriv", [...before, process.execPath, "--input-type=module", "-e", script], {
          encoding: "utf8",
        }),
      ) as [string, string[]];
    assert.deepEqual(run("--reuid=0"), ["all", []]);
    const [hearing, limits] = run("--bounding-set=-net_broadcast");
    assert.equal(hearing, "some");
    assert.match(limits.join(), /NET_BROADCAST/);
  });
});

describe("TIME_WAIT in place of destroyed sockets", { skip: withoutNamespaces }, () => {
  it("counts what it shows, and the account says what it does not", async () => {
    using watched = new WatchedNamespace({ reader: "procfs", destroyed: null });
    await using held = await hold(watched);
    await watched.pass();
    watched.run(talk(CLIENT_FIRST, 20) + QUIT);
    const { sockets, account } = await watched.pass();
    assert.equal(account?.destroyed, "time-wait");
    assert.equal(sockets.filter(({ state }) => state === "TIME_WAIT").length, 20);
    assert.deepEqual(await accountAfter(watched), { opened: 40, failed: 0, seen: 20, unseen: 20 });
    assert.ok(held.pid > 0);
  });
});

// A process that keeps the namespace in scans between two scripts, and a listener.
async function hold(watched: WatchedNamespace): Promise<Started> {
  return watched.start(
    `const server = require("node:net").createServer().listen(0, "127.0.0.1", () => console.log(server.address().port));`,
  );
}

function hasPython(): boolean {
  try {
    execFileSync("python3", ["--version"], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

// SYNs from unused ports: the kernel itself answers the SYN-ACK with a reset.
const HALF_OPEN = `
import socket, struct
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_TCP)
def checksum(data):
    total = sum(struct.unpack('!%dH' % (len(data) // 2), data))
    while total >> 16: total = (total & 0xffff) + (total >> 16)
    return ~total & 0xffff
for i in range(20):
    head = struct.pack('!HHIIBBHHH', 61000 + i, PORT, 1, 0, 5 << 4, 2, 1024, 0, 0)
    pseudo = socket.inet_aton('127.0.0.1') * 2 + struct.pack('!BBH', 0, 6, len(head))
    s.sendto(head[:16] + struct.pack('!H', checksum(pseudo + head)) + head[18:], ('127.0.0.1', 0))
`;
