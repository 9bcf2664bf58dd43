// Flows match what sockets alone cannot: who answered behind the dialled address, and which client a server
// saw.

import assert from "node:assert/strict";
import { describe, it, test } from "node:test";

import { World } from "../testing/world.ts";
import { flowLine } from "../testing/flow-lines.ts";
import { all, processes, testJoins } from "../testing/join-cases.ts";

const CLIENT = { id: 1, namespace: 1, local: "10.1.0.1:40000", remote: "10.96.0.9:80", holders: [2] };
const SERVER = { id: 2, namespace: 2, local: "10.1.0.2:8080", remote: "10.1.0.1:40000", holders: [1] };
const LISTENER = { id: 9, namespace: 2, local: "*:8080", state: "LISTEN", holders: [1] } as const;
const base = { namespaces: all, processes };

const tcp = (id: number, original: string, reply: string): string => flowLine("tcp", id, original, reply);
const udp = (id: number, original: string, reply: string): string => flowLine("udp", id, original, reply);

const DNAT = tcp(7, "10.1.0.1:40000 > 10.96.0.9:80", "10.1.0.2:8080 > 10.1.0.1:40000");
const joined = "client 10.1.0.1:40000 -> server 10.1.0.2:8080 tcp csf via 10.96.0.9:80 flow";

void describe("connections through translated flows", () => {
  testJoins([
    {
      name: "are one where sockets and flow come together",
      reports: [[{ ...base, keyframe: true, sockets: [CLIENT, SERVER], flows: [DNAT] }]],
      expect: [joined],
    },
    {
      name: "are one where the flow comes last",
      reports: [[{ ...base, keyframe: true, sockets: [CLIENT, SERVER] }], [{ flows: [DNAT] }]],
      expect: [joined],
    },
    {
      name: "are one where the flow comes first",
      reports: [
        [{ ...base, keyframe: true, flows: [DNAT] }],
        [{ sockets: [SERVER] }],
        [{ sockets: [CLIENT] }],
      ],
      expect: [joined],
    },
    {
      name: "are one across nodes, whatever the number of flows",
      reports: [
        [{ ...base, keyframe: true, sockets: [CLIENT], flows: [DNAT] }, "a"],
        [
          {
            ...base,
            keyframe: true,
            sockets: [SERVER],
            flows: [tcp(3, "10.1.0.1:40000 > 10.1.0.2:8080", "10.1.0.2:8080 > 10.1.0.1:40000")],
          },
          "b",
        ],
      ],
      expect: [joined],
    },
    {
      name: "are one each time where the same ports are used again before anybody looked",
      reports: [
        [{ ...base, keyframe: true }, "a"],
        [{ ...base, keyframe: true }, "b"],
        [{ sockets: [CLIENT], flows: [DNAT], removed: [1] }, "a"],
        [{ sockets: [SERVER], removed: [2] }, "b"],
        [{ sockets: [{ ...CLIENT, id: 11 }], removed: [11] }, "a"],
        [{ sockets: [{ ...SERVER, id: 12 }], removed: [12] }, "b"],
      ],
      expect: [`${joined} closed`, `${joined} closed`],
    },
    {
      name: "name the server by address where its socket is not seen",
      reports: [[{ ...base, keyframe: true, sockets: [CLIENT], flows: [DNAT] }]],
      expect: ["client 10.1.0.1:40000 -> node 10.1.0.2:8080 tcp cf via 10.96.0.9:80 flow"].map((line) =>
        line.replace("node", "external"),
      ),
    },
    {
      name: "name an outside client behind a masquerade",
      reports: [
        [
          {
            ...base,
            keyframe: true,
            sockets: [{ ...SERVER, remote: "10.0.0.1:5555" }, LISTENER],
            flows: [tcp(7, "203.0.113.5:40000 > 10.0.0.1:30080", "10.1.0.2:8080 > 10.0.0.1:5555")],
          },
        ],
      ],
      expect: ["external 203.0.113.5:40000 -> server 10.1.0.2:8080 tcp sf via 10.0.0.1:30080 flow"],
    },
    {
      name: "are one in a hairpin: a pod that reaches itself through its Service",
      reports: [
        [
          {
            ...base,
            keyframe: true,
            sockets: [CLIENT, { ...SERVER, namespace: 1, local: "10.1.0.1:8080", remote: "10.0.0.1:6000" }],
            flows: [tcp(7, "10.1.0.1:40000 > 10.96.0.9:80", "10.1.0.1:8080 > 10.0.0.1:6000")],
          },
        ],
      ],
      expect: ["client 10.1.0.1:40000 -> server 10.1.0.1:8080 tcp csf via 10.96.0.9:80 flow"],
    },
    {
      name: "stay apart where two translations of the same tuple live",
      reports: [
        [{ ...base, keyframe: true, sockets: [CLIENT], flows: [DNAT] }, "a"],
        [
          {
            ...base,
            keyframe: true,
            flows: [tcp(3, "10.1.0.1:40000 > 10.96.0.9:80", "10.1.0.3:8080 > 10.1.0.1:40000")],
          },
          "b",
        ],
        [{ sockets: [{ ...CLIENT, id: 5, namespace: 3, inode: 77 }] }, "b"],
      ],
      expect: [
        "client 10.1.0.1:40000 -> external 10.1.0.2:8080 tcp cf via 10.96.0.9:80 flow",
        "client 10.1.0.1:40000 -> external 10.96.0.9:80 tcp c port",
      ],
    },
    {
      name: "are one for datagrams to a server that never connects",
      reports: [
        [
          {
            ...base,
            namespaces: all.map((each) =>
              each.id === 2 ? { ...each, addresses: [Uint8Array.of(10, 1, 0, 2)] } : each,
            ),
            keyframe: true,
            sockets: [
              { ...CLIENT, protocol: "udp" as const, remote: "10.96.0.9:53" },
              {
                id: 9,
                namespace: 2,
                protocol: "udp" as const,
                local: "*:5353",
                state: "CLOSE" as const,
                holders: [1],
              },
            ],
            flows: [udp(7, "10.1.0.1:40000 > 10.96.0.9:53", "10.1.0.2:5353 > 10.1.0.1:40000")],
          },
        ],
      ],
      expect: ["client 10.1.0.1:40000 -> server 10.1.0.2:5353 udp csf via 10.96.0.9:53 listener"],
    },
    {
      name: "take an untranslated flow's direction where ports do not tell",
      reports: [
        [
          {
            ...base,
            keyframe: true,
            sockets: [{ ...CLIENT, remote: "10.1.0.2:39999" }],
            flows: [tcp(7, "10.1.0.2:39999 > 10.1.0.1:40000", "10.1.0.1:40000 > 10.1.0.2:39999")],
          },
        ],
      ],
      expect: ["external 10.1.0.2:39999 -> client 10.1.0.1:40000 tcp sf flow"],
    },
    {
      name: "do not believe a flow that began in the middle, the wrong way round",
      reports: [
        [
          {
            ...base,
            keyframe: true,
            sockets: [{ ...CLIENT, remote: "10.1.0.2:6443" }],
            flows: [tcp(7, "10.1.0.2:6443 > 10.1.0.1:40000", "10.1.0.1:40000 > 10.1.0.2:6443")],
          },
        ],
      ],
      expect: ["client 10.1.0.1:40000 -> external 10.1.0.2:6443 tcp cf port"],
    },
  ]);

  it("say what the server saw of a masqueraded client", () => {
    const world = new World();
    const flow = tcp(7, "10.1.0.1:40000 > 10.96.0.9:80", "10.1.0.2:8080 > 10.0.0.1:5555");
    const server = { ...SERVER, remote: "10.0.0.1:5555" };
    world.report({ ...base, keyframe: true, sockets: [CLIENT, server], flows: [flow] });
    const [connection, ...more] = world.connections();
    assert.deepEqual(more, []);
    assert.deepEqual(connection?.snat, { ip: "10.0.0.1", port: 5555 });
    assert.equal(connection?.via?.ip, "10.96.0.9");
  });

  it("have the bytes that conntrack counted", () => {
    const world = new World();
    const counted = DNAT.replace(" src=10.1.0.2", " packets=3 bytes=400 src=10.1.0.2").replace(
      " [ASSURED]",
      " packets=2 bytes=300 [ASSURED]",
    );
    world.report({ ...base, keyframe: true, sockets: [CLIENT, SERVER], flows: [counted] });
    const [connection] = world.connections();
    assert.deepEqual([connection?.bytesToServer, connection?.bytesToClient], [400, 300]);
  });

  it("keep what the flow showed after it is gone, and release it in the end", () => {
    const world = new World();
    world.report({ ...base, keyframe: true, sockets: [CLIENT], flows: [DNAT] });
    world.report({ removed: [1] });
    world.report({ flowsRemoved: [7] });
    assert.deepEqual(world.lines(), [
      "client 10.1.0.1:40000 -> external 10.1.0.2:8080 tcp cf via 10.96.0.9:80 flow closed",
    ]);
    world.wait(120_000);
    assert.deepEqual(world.lines(), []);
    assert.equal(world.aggregator.counts().flows, 0);
  });

  it("do not give an earlier conversation's server to a port that is used again", () => {
    const world = new World();
    world.report({ ...base, keyframe: true, sockets: [CLIENT], flows: [DNAT] });
    world.report({ removed: [1] });
    world.wait(20_000).report({});
    world.report({ sockets: [{ ...CLIENT, id: 4, inode: 4444 }] });
    world.report({ flowsRemoved: [7] });
    assert.deepEqual(
      world.lines().filter((line) => !line.endsWith("closed")),
      ["client 10.1.0.1:40000 -> external 10.96.0.9:80 tcp c port"],
    );
    const later = tcp(8, "10.1.0.1:40000 > 10.96.0.9:80", "10.1.0.3:8080 > 10.1.0.1:40000");
    world.report({ flows: [later] });
    assert.deepEqual(world.lines().toSorted(), [
      "client 10.1.0.1:40000 -> external 10.1.0.2:8080 tcp cf via 10.96.0.9:80 flow closed",
      "client 10.1.0.1:40000 -> external 10.1.0.3:8080 tcp cf via 10.96.0.9:80 flow",
    ]);
  });

  it("change nothing if a node's flows are lost: connections stay as they were", () => {
    const world = new World();
    world.report({ ...base, keyframe: true, sockets: [CLIENT, SERVER], flows: [DNAT] });
    world.report({ ...base, keyframe: true, sockets: [CLIENT, SERVER] });
    assert.deepEqual(world.lines(), [joined]);
  });
});

void test("edges rest on flows too", () => {
  const world = new World();
  world.report({ ...base, keyframe: true, sockets: [CLIENT, SERVER], flows: [DNAT] });
  const [edge] = world.aggregator.query.edges(undefined, 10).items;
  assert.deepEqual(edge?.evidence, ["client-socket", "server-socket", "flow"]);
});
