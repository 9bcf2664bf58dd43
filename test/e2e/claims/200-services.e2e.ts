// Behind a Service's address: which pod answered, whichever address was dialled and whichever was translated.
// The answer is compared with what both programs of each connection report.

import assert from "node:assert/strict";
import { type Connection, connectionsOf, shown } from "../answer.ts";
import { assertFolded, assertTold, countOf, through } from "../assert-told.ts";
import { stage } from "../claim.ts";
import { type Echo, familyOf, type Front, startEcho, worldPort } from "../echo.ts";
import { environment } from "../environment.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { worldAddresses } from "../world.ts";

interface Made {
  readonly echo: Echo;
  readonly world: readonly string[];
}

const claim = stage<Made>(200, async (place) => {
  const world = environment.world === "" ? [] : Object.values(await worldAddresses());
  return { world, echo: await startEcho(place, world) };
});

/** A way to dial: which address, from where. */
interface Way {
  readonly number: number;
  readonly words: string;
  readonly service: Front["service"];
  readonly protocol: Front["protocol"];
  /** Any address of the Service by default. */
  readonly kind?: Front["kind"];
  readonly fromOutside?: boolean;
}

const tcp = { service: "echo", protocol: "tcp" } as const;
const udp = { service: "echo", protocol: "udp" } as const;
const outside = { fromOutside: true } as const;

const ways: readonly Way[] = [
  { number: 0, ...tcp, kind: "cluster-ip", words: "every connection of a Deployment to a Service" },
  { number: 1, ...tcp, kind: "external-ip", words: "a pod that calls a Service by an external IP" },
  { number: 2, ...tcp, kind: "node-port", words: "a pod that calls a Service by a node port" },
  { number: 3, ...tcp, kind: "load-balancer", words: "a pod that calls a Service by its load balancer" },
  { number: 4, ...udp, words: "UDP conversations of pods with a Service, by all its addresses" },
  { number: 5, ...tcp, service: "mirror", words: "a pod that calls itself through its Service" },
  { number: 6, ...udp, service: "mirror", words: "a pod that calls itself by UDP through its Service" },
  { number: 10, ...tcp, ...outside, kind: "node-port", words: "the outside calls a node port that hides it" },
  {
    number: 11,
    ...tcp,
    ...outside,
    service: "echo-local",
    words: "the outside calls a node port that does not",
  },
  { number: 12, ...tcp, ...outside, kind: "load-balancer", words: "the outside calls a load balancer" },
  { number: 13, ...udp, ...outside, words: "the outside calls a Service by UDP, by all its addresses" },
  {
    number: 14,
    ...udp,
    ...outside,
    service: "echo-local",
    words: "the outside calls a local node port by UDP",
  },
];

function isOnWay({ kind, service, protocol, ip }: Front, way: Way, family: 4 | 6): boolean {
  if (way.fromOutside === true && kind !== "node-port" && kind !== "load-balancer") return false;
  const isKind = way.kind === undefined || way.kind === kind;
  return isKind && way.service === service && way.protocol === protocol && familyOf(ip) === family;
}

for (const family of [4, 6] as const) {
  const base = family === 4 ? 200 : 220;
  const over = family === 4 ? "" : ", over IPv6";

  for (const way of ways) {
    const words = `${way.words}: the pod that served it, and the address dialled${over}`;
    claim(base + way.number, words, async ({ echo, world }, t) => {
      const fronts = echo.fronts.filter((front) => isOnWay(front, way, family));
      if (fronts.length === 0) return t.skip(`the Service has no such IPv${family} address`);
      if (way.fromOutside === true && !world.some((ip) => familyOf(ip) === family))
        return t.skip(`no host outside with IPv${family}`);
      const { namespace } = echo;
      await eventually(30_000, async () => {
        const [all, answer] = await Promise.all([echo.told(), connectionsOf(namespace)]);
        const told = all.filter(({ client }) => (client.pod === undefined) === (way.fromOutside === true));
        for (const front of fronts) {
          const these = through(told, front);
          assert.equal(these.length, echo.countOf(front, way.fromOutside === true), "not all connected yet");
          if (way.fromOutside === true && way.protocol === "udp") assertFolded(answer, these);
          else assertTold(answer, these, { namespace, flows: true }, front.service);
        }
      });
      return undefined;
    });
  }

  claim(base + 15, `pods of a headless Service are called directly${over}`, async ({ echo }, t) => {
    if (!echo.fronts.some(({ ip }) => familyOf(ip) === family))
      return t.skip(`the cluster has no IPv${family}`);
    const { namespace } = echo;
    await eventually(30_000, async () => {
      const direct = (await echo.told()).filter(
        ({ dialled, server, client }) =>
          client.pod !== undefined && server.pod !== undefined && dialled.ip === server.ip,
      );
      const these = direct.filter(({ dialled }) => familyOf(dialled.ip) === family);
      assertTold(await connectionsOf(namespace), these, { namespace, flows: true });
    });
    return undefined;
  });

  for (const protocol of ["tcp", "udp"] as const) {
    const words = `a pod calls the outside by ${protocol}: the pod, and what the outside saw in its place${over}`;
    claim(base + (protocol === "tcp" ? 16 : 17), words, async ({ echo, world }, t) => {
      if (!world.some((ip) => familyOf(ip) === family)) return t.skip(`no host outside with IPv${family}`);
      const { namespace } = echo;
      await eventually(30_000, async () => {
        const out = (await echo.told()).filter(
          (each) => each.dialled.port === worldPort && each.protocol === protocol,
        );
        const these = out.filter(({ dialled }) => familyOf(dialled.ip) === family);
        const served = these.map((each) => ({ ...each, server: each.dialled }));
        assertTold(await connectionsOf(namespace), served, { namespace, flows: true });
      });
      return undefined;
    });
  }
}

claim(240, "--to svc/echo and --to deploy/echo agree", async ({ echo }) => {
  const { namespace } = echo;
  await eventually(30_000, async () => {
    const told = (await echo.told()).filter(({ server }) => server.pod?.startsWith("echo-") === true);
    const pods = new Set(told.map(({ server }) => server.pod));
    // conntrack keeps datagrams' flows for minutes, even those of an earlier run's pods in a namespace of this
    // name.
    const toThese = async (selector: string): Promise<Connection[]> =>
      (await connectionsOf(namespace, "--to", selector, "--open")).filter((one) => pods.has(one.server.pod));
    const [byService, byWorkload] = await Promise.all([toThese("svc/echo"), toThese("deploy/echo")]);
    assert.deepEqual(byService.map(shown).toSorted(), byWorkload.map(shown).toSorted());
    assert.equal(countOf(byService), told.length, byService.map(shown).join("\n"));
  });
});
