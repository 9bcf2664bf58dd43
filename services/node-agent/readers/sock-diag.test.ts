import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { describe, it } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { World, worldObstacle } from "../../../test/local/world.ts";
import type { NamespaceRecord } from "../observation.ts";
import { createProcessScanner } from "../processes/scan.ts";
import { createSockDiagReader } from "./sock-diag.ts";

const options = { procRoot: "/proc", nowTicks: () => 0 };

function read(namespace: NamespaceRecord): boolean {
  const sink = { sockets: new SocketTable(), familySockets: [] };
  const { read: done } = createSockDiagReader(options).read(namespace, 0, sink);
  if (!done) assert.deepEqual([sink.sockets.length, sink.familySockets.length], [0, 0]);
  return done;
}

describe("sock-diag", () => {
  it("leaves nothing behind of a namespace whose processes are gone", () => {
    assert.equal(read({ inode: 1, host: false, pids: [2 ** 22 + 1] }), false);
  });

  it("says that it is for the running kernel only", () => {
    assert.match(createSockDiagReader({ ...options, procRoot: "/sys" }).probe()!, /not the running kernel's/);
  });

  it(
    "keeps no namespace alive: its interfaces go with its last process",
    { skip: worldObstacle() ?? false },
    async (t) => {
      const reader = createSockDiagReader(options);
      const obstacle = reader.probe();
      if (obstacle !== null) return t.skip(obstacle);
      await using world = new World();
      const host = world.addHost("h");
      const talker = await world.talk(host, "listen-tcp", "0.0.0.0", "7000");
      const { namespaces } = createProcessScanner({ procRoot: "/proc" }).scan();
      assert.equal(read(namespaces.find(({ pids }) => pids.includes(talker.pid))!), true);
      // The other end of its veth is on the world's bridge.
      const bridge = host.name.replace(/-h$/, "-bridge");
      const links = (): string =>
        execFileSync("ip", ["netns", "exec", bridge, "ip", "-o", "link"]).toString();
      assert.match(links(), /v1@/);
      execFileSync("ip", ["netns", "del", host.name]);
      await talker.kill();
      await eventually(5000, () => {
        assert.doesNotMatch(links(), /v1@/);
        return Promise.resolve();
      });
      // The world removes its hosts itself and needs this one back.
      execFileSync("ip", ["netns", "add", host.name]);
    },
  );
});
