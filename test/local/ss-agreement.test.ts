// Compares every TCP and UDP socket of every namespace, as `whotalks local` shows it, with `ss -tuanp` in that
// namespace at the same quiet moment.

import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync, readlinkSync } from "node:fs";
import { describe, it } from "node:test";

import type { EndpointJson } from "./run-whotalks.ts";
import { connectionsOnce, eventually, listenersOnce } from "./run-whotalks.ts";
import { parseSs } from "./ss.ts";
import { World, worldObstacle } from "./world.ts";

const skip = worldObstacle() ?? ssObstacle() ?? false;

function ssObstacle(): string | null {
  try {
    execFileSync("ss", ["-V"], { stdio: "ignore" });
    return null;
  } catch {
    return "needs ss (iproute2)";
  }
}

// A pid in each network namespace of the machine.
function namespaces(): Map<number, number> {
  const pids = new Map<number, number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      const inode = Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))![0]);
      if (!pids.has(inode)) pids.set(inode, Number(pid));
    } catch {
      // The process has ended.
    }
  }
  return pids;
}

// The output of ss in a namespace; null if its process has ended meanwhile.
function ssOf(pid: number): string[] | null {
  const command = [`--net=/proc/${pid}/ns/net`, "ss", "-tuanpeH"];
  const { status, stdout } = spawnSync("nsenter", command, { encoding: "utf8", maxBuffer: 2 ** 28 });
  return status === 0 ? parseSs(stdout) : null;
}

type FarAddress = Pick<EndpointJson, "ip" | "port">;

async function ours(): Promise<Map<number, string[]>> {
  const [connections, listeners] = await Promise.all([connectionsOnce(), listenersOnce()]);
  const rows = new Map<number, Set<string>>();
  const add = (protocol: string, end: EndpointJson, far: FarAddress | null): void => {
    if (end.state === undefined || !["tcp", "udp"].includes(protocol)) return;
    const set = rows.get(end.networkNamespace!) ?? new Set();
    rows.set(end.networkNamespace!, set);
    set.add(socketLine(protocol, end, far));
  };
  for (const { protocol, client, server, via, snat } of connections.items) {
    // A socket has the remote address that was dialled, not the translated one.
    add(protocol, client, via ?? server);
    // A UDP server's unconnected socket answers many clients: it is compared as a listener.
    if (!(protocol === "udp" && server.state === "CLOSE")) add(protocol, server, snat ?? client);
  }
  for (const { protocol, endpoint } of listeners.items) add(protocol, endpoint, null);
  return new Map([...rows].map(([inode, set]) => [inode, [...set].toSorted()]));
}

function socketLine(protocol: string, end: EndpointJson, far: FarAddress | null): string {
  const local = `${end.ip}:${end.port ?? 0}`;
  const remote = far === null ? "*" : `${far.ip}:${far.port ?? 0}`;
  const inode = end.inode ?? 0;
  // ss does not show the former holders of an orphaned socket.
  const holders = inode === 0 ? [] : (end.holders ?? []);
  const pids = [...new Set(holders.map(({ pid }) => pid))].toSorted((a, b) => a - b);
  return `${protocol} ${end.state} ${local} ${remote} inode ${inode} pids ${pids.join(",")}`;
}

describe("sockets against ss", { skip }, () => {
  it("are the same in every namespace: protocol, addresses, ports, state, inode, pids", async () => {
    await using world = new World();
    const [s, a] = [world.addHost("s"), world.addHost("a")];
    await world.talk(
      s,
      "listen-tcp",
      "0.0.0.0",
      "7000",
      "listen-tcp",
      "::",
      "7001",
      "listen-udp",
      "0.0.0.0",
      "7002",
      "listen-udp",
      "::",
      "7003",
    );
    // An IPv4 client of a dual-stack listener makes an IPv4-mapped socket; a killed one leaves TIME_WAIT or
    // CLOSE_WAIT.
    await world.talk(
      a,
      "connect-tcp",
      s.ipv4,
      "7000",
      "connect-tcp",
      s.ipv4,
      "7001",
      "connect-tcp",
      s.ipv6,
      "7001",
      "connect-udp",
      s.ipv6,
      "7003",
    );
    const gone = await world.talk(a, "connect-tcp", s.ipv4, "7000");
    await gone.kill();

    const open = new Set(namespaces().keys());
    await eventually(async () => {
      const pids = namespaces();
      const before = new Map([...pids].map(([inode, pid]) => [inode, ssOf(pid)]));
      const seen = await ours();
      for (const inode of open) {
        const pid = pids.get(inode);
        const expected = before.get(inode) ?? null;
        const after = pid === undefined ? null : ssOf(pid);
        if (expected === null || after === null) {
          // The namespace is gone, or about to go.
          if (pid === undefined) open.delete(inode);
          continue;
        }
        const [then, now, shown] = [new Set(expected), new Set(after), new Set(seen.get(inode))];
        const missing = expected.filter((line) => now.has(line) && !shown.has(line));
        assert.deepEqual(missing, [], "sockets that ss showed before and after");
        // ss cannot confirm sockets that opened and closed between its two runs: check again.
        if ([...shown].every((line) => then.has(line) || now.has(line))) open.delete(inode);
      }
      assert.equal(open.size, 0, `${open.size} namespaces had sockets that ss did not confirm`);
    }, 120_000);
  });
});
