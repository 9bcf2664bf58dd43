// Unix sockets across network namespaces, as between two pods that share a volume: a server in one namespace,
// clients in another and in the machine's own, all on one path.

import assert from "node:assert/strict";
import { readlinkSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import path from "node:path";
import { it } from "node:test";

import type { EndpointJson, ListJson } from "./run-whotalks.ts";
import { eventually, whotalks } from "./run-whotalks.ts";
import type { Talker } from "./world.ts";
import { World, worldObstacle } from "./world.ts";

interface EdgeJson {
  readonly client: EndpointJson & { readonly unit?: string; readonly container?: string };
  readonly server: EndpointJson & { readonly unit?: string; readonly container?: string };
  readonly protocol: string;
  readonly open: number;
  readonly unixPath?: string;
}

function namespaceOf({ pid }: Talker): number {
  return Number(/\d+/.exec(readlinkSync(`/proc/${pid}/ns/net`))![0]);
}

for (const reader of ["procfs", "sock-diag"]) {
  it(
    `a unix socket's path ties the two sides of an edge, each in its own network namespace (${reader})`,
    { skip: worldObstacle() ?? false },
    async () => {
      await using world = new World();
      const [s, a] = [world.addHost("s"), world.addHost("a")];
      const directory = await mkdtemp(path.join(tmpdir(), "whotalks-"));
      const socketPath = path.join(directory, "shared.sock");
      const server = await world.talk(s, "listen-unix", socketPath);
      const near = await world.talk(a, "connect-unix", socketPath, "connect-unix", socketPath);
      const words = [
        "local",
        "--once",
        "edges",
        "--listen",
        "none",
        "--reader",
        reader,
        "-o",
        "json",
        "--protocol",
        "unix",
      ];
      await eventually(async () => {
        const { items } = JSON.parse(await whotalks(...words)) as ListJson<EdgeJson>;
        const edges = items.filter(({ unixPath }) => unixPath === socketPath);
        const { client, server: end, protocol, open } = edges[0]!;
        assert.deepEqual([edges.length, protocol, open], [1, "unix", 2]);
        // A unit or a container is one endpoint, whatever namespaces its processes are in.
        if (client.unit !== undefined || client.container !== undefined) return;
        assert.deepEqual(
          [client.networkNamespace, end.networkNamespace],
          [namespaceOf(near), namespaceOf(server)],
        );
      });
      await rm(directory, { recursive: true });
    },
  );
}
