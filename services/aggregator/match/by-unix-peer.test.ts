// Unix sockets.

import assert from "node:assert/strict";
import { describe, it } from "node:test";

import type { FamilySocket } from "../../../lib/gen/whotalks/v1/report.ts";
import { Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { World } from "../testing/world.ts";
import { all, processes, testJoins } from "../testing/join-cases.ts";

testJoins([
  {
    name: "a stream pair of unix sockets across namespaces: the end with the path is the server",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, namespace: 1, family: 1, type: 1, state: 1, inode: 70, peerInode: 71, holders: [2] },
            {
              id: 2,
              namespace: 0,
              family: 1,
              type: 1,
              state: 1,
              inode: 71,
              peerInode: 70,
              path: "/run/x",
              holders: [1],
            },
            { id: 3, namespace: 0, family: 1, type: 1, state: 10, inode: 72, path: "/run/x", holders: [1] },
          ],
        },
      ],
    ],
    expect: ["client -> server unix cs /run/x listener"],
  },
  {
    name: "without known peers the end with the path is a server with an unknown client",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, family: 1, type: 1, state: 1, inode: 70, holders: [2] },
            { id: 2, family: 1, type: 1, state: 1, inode: 71, path: "/run/x", holders: [1] },
          ],
        },
      ],
    ],
    expect: ["client -> unknown unix c guess", "unknown -> server unix s /run/x listener"],
  },
  {
    name: "datagram unix sockets that are connected to one server share it",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, family: 1, type: 2, state: 1, inode: 70, peerInode: 72, holders: [2] },
            { id: 2, family: 1, type: 2, state: 1, inode: 71, peerInode: 72, holders: [3] },
            { id: 3, family: 1, type: 2, state: 7, inode: 72, path: "/dev/log", holders: [1] },
          ],
        },
      ],
    ],
    expect: ["client -> server unix cs /dev/log listener", "other -> server unix cs /dev/log listener"],
  },
  {
    name: "a unix peer that shows later joins then",
    reports: [
      [
        {
          keyframe: true,
          namespaces: all,
          processes,
          family: [
            { id: 1, family: 1, type: 1, state: 1, inode: 70, holders: [2] },
            { id: 2, family: 1, type: 1, state: 1, inode: 71, path: "/run/x", holders: [1] },
          ],
        },
      ],
      [
        {
          family: [
            { id: 1, family: 1, type: 1, state: 1, inode: 70, peerInode: 71 },
            { id: 2, family: 1, type: 1, state: 1, inode: 71, peerInode: 70, path: "/run/x" },
          ],
        },
      ],
    ],
    expect: ["client -> server unix cs /run/x listener"],
  },
]);

// A server pod (namespace 1), a client pod (namespace 2), a path on a volume that both mount. The kernel lists
// the accepted socket in the client's network namespace.
describe("a unix connection between two pods", () => {
  const pods = [
    { id: 0, inode: 100, host: true },
    { id: 1, inode: 101, podUid: "spire" },
    { id: 2, inode: 102, podUid: "web" },
    { id: 3, inode: 103, podUid: "twin" },
  ];
  const programs = [
    { id: 1, pid: 11, startTicks: 5, name: "server", podUid: "spire", namespace: 2, containerId: "s1" },
    { id: 2, pid: 12, startTicks: 6, name: "client", podUid: "web", namespace: 3, containerId: "c1" },
    { id: 3, pid: 13, startTicks: 7, name: "agent", podUid: "hosted", namespace: 1, containerId: "h1" },
    { id: 4, pid: 14, startTicks: 8, name: "containerd", unit: "containerd.service", namespace: 1 },
  ];
  const stream = { family: 1, type: 1, state: 1 } as const;
  const path = "/run/shared/agent.sock";
  const client = { id: 1, namespace: 2, ...stream, inode: 70, peerInode: 71, holders: [2] };
  const listener = { id: 3, namespace: 1, ...stream, state: 10, inode: 72, path, holders: [1] };

  function ends(family: readonly (Partial<FamilySocket> & { holders?: readonly number[] })[]): string[] {
    const world = new World().report({ keyframe: true, namespaces: pods, processes: programs, family });
    const edges = [...world.aggregator.query.edges(Filter.create(), 10).items].map(
      (edge) => `${edge.client?.podUid} -> ${edge.server?.podUid} ${edge.unixPath}`,
    );
    return [
      ...world.connections().map(({ client: from, server: to, unixPath }) => {
        const who = to?.podUid || to?.unit || to?.process?.name || to?.kind;
        return `${from?.podUid} -> ${who} ${to?.container} ${to?.hostNetwork} ${unixPath}`;
      }),
      ...edges,
    ];
  }

  const accepted = (holders: readonly number[]) => ({
    ...client,
    id: 2,
    inode: 71,
    peerInode: 70,
    path,
    holders,
  });

  it("is the server's whose process holds the accepted socket", () => {
    assert.deepEqual(ends([client, accepted([1]), listener]), [
      `web -> spire s1 false ${path}`,
      `web -> spire ${path}`,
    ]);
  });

  it("may have a server on the node's own network", () => {
    assert.deepEqual(ends([client, accepted([3])])[0], `web -> hosted h1 true ${path}`);
    assert.deepEqual(ends([client, accepted([4])])[0], `web -> containerd.service  false ${path}`);
  });

  it("belongs to the listener with that path if no holder is known", () => {
    assert.equal(ends([client, accepted([]), listener])[0], `web -> spire s1 false ${path}`);
  });

  it("has no owner, and not its client's, if several listen on that path", () => {
    const twin = { ...listener, id: 4, namespace: 3, inode: 73, holders: [] };
    assert.deepEqual(ends([client, accepted([]), listener, twin]), [
      `web -> process  false ${path}`,
      `web ->  ${path}`,
    ]);
  });

  it("of which the listener is gone has the server that it had while its holder is known", () => {
    const world = new World().report({
      keyframe: true,
      namespaces: pods,
      processes: programs,
      family: [client, accepted([1]), listener],
    });
    world.report({ removed: [1, 2, 3], processesRemoved: [1], namespacesRemoved: [1] });
    const [connection] = world.connections();
    assert.deepEqual([connection?.server?.podUid, connection?.closed], ["spire", true]);
  });
});

describe("a unix connection that was caught before it was accepted", () => {
  const stream = { family: 1, type: 1, state: 1 } as const;
  const pending = { id: 1, namespace: 2, ...stream, inode: 70, holders: [2] };
  // As in /proc/net/unix: without an inode, in the client's namespace, with the listener's path.
  const waiting = { id: 2, namespace: 2, ...stream, inode: 0, path: "/run/x" };
  const listener = { id: 3, namespace: 1, ...stream, state: 10, inode: 72, path: "/run/x", holders: [1] };
  const after = [
    { ...pending, peerInode: 71 },
    { id: 4, namespace: 2, ...stream, inode: 71, peerInode: 70, path: "/run/x", holders: [1] },
  ];

  for (const family of [after, after.toReversed()]) {
    it("is one connection once it is, and nothing is left of the one before", () => {
      const world = new World();
      world.report({ keyframe: true, namespaces: all, processes, family: [pending, waiting, listener] });
      assert.deepEqual(world.lines(), ["client -> unknown unix c guess"]);
      world.report({ family, removed: [2] });
      assert.deepEqual(world.lines(), ["client -> server unix cs /run/x listener"]);
      const edges = [...world.aggregator.query.edges(Filter.create({ includeAnonymous: true }), 10).items];
      assert.deepEqual(
        edges.map((edge) => [edge.unixPath, edge.connections, edge.open]),
        [["/run/x", 1, 1]],
      );
    });
  }

  it("is reported to watchers once, and not as closed", async () => {
    const world = new World();
    const watch = world.aggregator.query.watch(Filter.create({ includeAnonymous: true }), false);
    world.report({ keyframe: true, namespaces: all, processes, family: [pending, waiting, listener] });
    world.report({ family: after, removed: [2] });
    world.report({});
    const told = [...(await watch.queue.take())!].map((item) => ("event" in item ? item.event.kind : -1));
    assert.deepEqual(told, [1, 2]);
    watch.close();
  });
});
