// Processes on a node outside all pods.

import assert from "node:assert/strict";
import { allConnections, shown } from "../answer.ts";
import { claim } from "../claim.ts";
import { kubectlJson } from "../command.ts";
import { eventually } from "../../../lib/testing/eventually.ts";

interface EndpointSlice {
  readonly ports?: readonly { readonly port: number }[];
  readonly endpoints?: readonly { readonly addresses: readonly string[] }[];
}

claim(
  130,
  "each node's kubelet is shown talking to the API server, as a process of that node",
  async ({ nodes }) => {
    const slice = await kubectlJson<EndpointSlice>("get", "endpointslice", "-n", "default", "kubernetes");
    const ports = (slice.ports ?? []).map(({ port }) => port);
    await eventually(30_000, async () => {
      const answer = await allConnections("--process", "kubelet");
      for (const node of nodes) {
        const found = answer.filter(
          ({ client, server, closed }) =>
            client.node === node &&
            client.process?.name === "kubelet" &&
            closed !== true &&
            ports.includes(server.port ?? 0),
        );
        const lines = answer.map(shown).join("\n");
        assert.ok(found.length > 0, `no kubelet of ${node} talks to port ${ports.join(" or ")}:\n${lines}`);
        for (const { client } of found)
          assert.deepEqual([client.kind, client.pod], ["process", undefined], lines);
      }
    });
  },
);
