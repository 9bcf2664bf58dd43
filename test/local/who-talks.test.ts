// The main use on a real kernel: a server in one network namespace, clients in two others.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { createInterface } from "node:readline";
import { describe, it } from "node:test";

import type { ConnectionJson } from "./run-whotalks.ts";
import { cliPath, connectionsOnce, eventually, whotalks } from "./run-whotalks.ts";
import type { Talker } from "./world.ts";
import { World, worldObstacle } from "./world.ts";

const skip = worldObstacle() ?? false;

function between(connections: readonly ConnectionJson[], client: Talker, server: Talker): ConnectionJson[] {
  return connections.filter(
    (connection) =>
      connection.client.process?.pid === client.pid && connection.server.process?.pid === server.pid,
  );
}

describe("who talks to what on one machine", { skip }, () => {
  it("names both processes of each TCP, UDP and unix connection, each exactly once", async () => {
    await using world = new World();
    const [s, a, b] = [world.addHost("s"), world.addHost("a"), world.addHost("b")];
    const directory = await mkdtemp(path.join(tmpdir(), "whotalks-"));
    const socketPath = path.join(directory, "talk.sock");
    const server = await world.talk(
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
      "listen-unix",
      socketPath,
    );
    const clients = await Promise.all(
      [a, b].map((host) =>
        world.talk(
          host,
          "connect-tcp",
          s.ipv4,
          "7000",
          "connect-tcp",
          s.ipv6,
          "7001",
          "connect-udp",
          s.ipv4,
          "7002",
          "connect-udp",
          s.ipv6,
          "7003",
          "connect-unix",
          socketPath,
        ),
      ),
    );

    const { items, kind, apiVersion } = await connectionsOnce();
    assert.deepEqual([apiVersion, kind], ["whotalks.dev/v1", "ConnectionList"]);
    for (const client of clients) {
      const talked = between(items, client, server).map(
        ({ protocol, server: end, unixPath }) => `${protocol} ${end.ip ?? unixPath} ${end.port ?? ""}`,
      );
      assert.deepEqual(talked.toSorted(), [
        `tcp ${s.ipv4} 7000`,
        `tcp ${s.ipv6} 7001`,
        `udp ${s.ipv4} 7002`,
        `udp ${s.ipv6} 7003`,
        `unix ${socketPath} `,
      ]);
      // Each conversation once: no other connection has this client at either end.
      const touching = items.filter(({ client: x, server: y }) =>
        [x, y].some((end) => end.process?.pid === client.pid),
      );
      assert.equal(
        touching.filter(({ unixPath, protocol }) => protocol !== "unix" || unixPath === socketPath).length,
        5,
      );
    }
    for (const connection of clients.flatMap((client) => between(items, client, server))) {
      assert.deepEqual(connection.evidence.toSorted(), ["client-socket", "server-socket"]);
      assert.notEqual(connection.closed, true);
    }
    await rm(directory, { recursive: true });
  });

  it("does not mix equal loopback tuples of two namespaces", async () => {
    await using world = new World();
    const [a, b] = [world.addHost("a"), world.addHost("b")];
    const talkers = await Promise.all(
      [a, b].map((host) =>
        world.talk(host, "listen-tcp", "127.0.0.1", "7000", "connect-tcp", "127.0.0.1", "7000"),
      ),
    );
    const { items } = await connectionsOnce("--port", "7000");
    for (const talker of talkers) assert.equal(between(items, talker, talker).length, 1);
    const pids = new Set(talkers.map(({ pid }) => pid));
    const strange = items.filter(
      ({ client, server }) => pids.has(client.process?.pid ?? 0) !== pids.has(server.process?.pid ?? 0),
    );
    assert.deepEqual(strange, []);
  });

  it("shows killed clients as closed", async () => {
    await using world = new World();
    const [s, a] = [world.addHost("s"), world.addHost("a")];
    const server = await world.talk(s, "listen-tcp", "0.0.0.0", "7000");
    const client = await world.talk(a, "connect-tcp", s.ipv4, "7000");
    const local = spawn(
      process.execPath,
      [cliPath, "local", "--interval", "200ms", "--listen", "127.0.0.1:0"],
      {
        stdio: ["ignore", "ignore", "pipe"],
      },
    );
    try {
      const address = await listeningAddress(local.stderr);
      const ask = async (): Promise<ConnectionJson[]> => {
        const text = await whotalks("connections", "--server", address, "-o", "json", "--port", "7000");
        return between((JSON.parse(text) as { items: ConnectionJson[] }).items, client, server);
      };
      await eventually(async () =>
        assert.deepEqual(
          (await ask()).map(({ closed }) => closed ?? false),
          [false],
        ),
      );
      await client.kill();
      await eventually(async () =>
        assert.deepEqual(
          (await ask()).map(({ closed }) => closed ?? false),
          [true],
        ),
      );
    } finally {
      local.kill("SIGINT");
    }
  });
});

async function listeningAddress(stderr: NodeJS.ReadableStream): Promise<string> {
  for await (const line of createInterface(stderr)) {
    const address = /\b(127\.0\.0\.1:\d+)\b/.exec(line)?.[1];
    if (address !== undefined) return address;
  }
  throw new Error("whotalks local said no address");
}
