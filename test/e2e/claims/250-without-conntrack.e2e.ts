// The agent without conntrack, as on nodes that lack or bypass it: only sockets show who talks to whom, the
// Service's endpoints are the proof, and what cannot be known is not guessed.

import assert from "node:assert/strict";
import { type Connection, connectionsOf, coverage, shown } from "../answer.ts";
import { assertTold, foundFor, through } from "../assert-told.ts";
import { stage } from "../claim.ts";
import { type Echo, familyOf, startEcho, type Told } from "../echo.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { upgradeWhile } from "../release.ts";
import { worldAddresses } from "../world.ts";

const claim = environment.reuse
  ? undefined
  : stage<Echo>(250, async (place) => {
      await upgradeWhile(place, "agent.conntrack=none");
      return startEcho(place, environment.world === "" ? [] : Object.values(await worldAddresses()));
    });

claim?.(250, "without conntrack coverage says so", async () => {
  await eventually(30_000, async () => {
    for (const node of await coverage()) assert.equal(node.conntrack, "none", JSON.stringify(node));
  });
});

for (const family of [4, 6] as const) {
  const over = family === 4 ? "" : ", over IPv6";
  const base = family === 4 ? 251 : 255;

  claim?.(
    base,
    `without conntrack every caller of a Service is shown with its pod${over}`,
    async (echo, t) => {
      const { namespace } = echo;
      const fronts = echo.fronts.filter(
        (each) =>
          each.kind === "cluster-ip" &&
          each.service === "echo" &&
          each.protocol === "tcp" &&
          familyOf(each.ip) === family,
      );
      if (fronts.length === 0) return t.skip(`the cluster has no IPv${family}`);
      await eventually(30_000, async () => {
        const [told, answer] = await Promise.all([echo.told(), connectionsOf(namespace)]);
        for (const front of fronts) {
          const these = through(told, front);
          assert.equal(these.length, echo.countOf(front, false), "not all connected yet");
          assertTold(answer, these, { namespace, flows: false }, front.service);
        }
      });
      return undefined;
    },
  );

  claim?.(
    base + 1,
    `without conntrack a caller that was hidden is shown with what it dialled${over}`,
    async (echo) => {
      const { namespace } = echo;
      await eventually(30_000, async () => {
        const [told, answer] = await Promise.all([echo.told(), connectionsOf(namespace)]);
        const hidden = told.filter(
          (each) =>
            isHidden(each) &&
            each.client.pod !== "mirror" &&
            each.server.pod !== undefined &&
            familyOf(each.client.ip) === family,
        );
        for (const each of hidden) {
          const found = foundFor(answer, each);
          const lines = `${each.client.ip}:${each.client.port} is\n${found.map(shown).join("\n")}`;
          assert.equal(found.length, 1, lines);
          const { client, server, evidence } = found[0] as Connection;
          assert.equal(client.pod, each.client.pod, lines);
          // The address of a node port belongs to the node.
          assert.ok(server.kind === "node" || (server.kind === "service" && server.name === "echo"), lines);
          assert.deepEqual(evidence, ["client-socket"], lines);
        }
        assert.ok(hidden.length > 0, "nobody was hidden");
      });
    },
  );
}

claim?.(259, "without conntrack no two pods are shown talking that do not", async (echo) => {
  const { namespace } = echo;
  await eventually(30_000, async () => {
    const [told, answer] = await Promise.all([echo.told(), connectionsOf(namespace)]);
    const both = answer.filter((one) => isBetweenPods(one) && one.protocol === "tcp");
    for (const one of both) {
      const true_ = told.filter(
        ({ client, server }) =>
          client.ip === one.client.ip && client.port === one.client.port && server.pod === one.server.pod,
      );
      assert.ok(true_.length > 0, shown(one));
    }
    assert.ok(both.length > 0);
  });
});

function isHidden({ client, seen, protocol }: Told): boolean {
  return (
    protocol === "tcp" && client.pod !== undefined && (client.ip !== seen.ip || client.port !== seen.port)
  );
}

function isBetweenPods({ client, server, closed }: Connection): boolean {
  return client.pod !== undefined && server.pod !== undefined && closed !== true;
}
