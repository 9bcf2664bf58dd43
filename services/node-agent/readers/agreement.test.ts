// Compares the readers: on a quiet namespace of the same kernel they report the same sockets, except for what
// testing/blind-spots.ts lists as invisible to one of them.

import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { describe, it } from "node:test";

import { formatAddress } from "../../../lib/address.ts";
import { SocketFamily } from "../../../lib/gen/whotalks/v1/report.ts";
import type { changingSocketColumns } from "../../../lib/gen/tables/socket-columns.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { eventually } from "../../../lib/testing/eventually.ts";
import { World, worldObstacle } from "../../../test/local/world.ts";
import { inNetworkNamespace } from "../kernel/network-namespace.ts";
import { syscalls } from "../kernel/syscalls.ts";
import type { NamespaceRecord, SocketReader, SocketSink } from "../observation.ts";
import { createProcessScanner } from "../processes/scan.ts";
import { columnsUnseen, isSeenByUnixDiag } from "./testing/blind-spots.ts";
import { createBpfIterReader } from "./bpf-iter.ts";
import { createProcfsReader, procfsTables } from "./procfs.ts";
import { createSockDiagReader } from "./sock-diag.ts";

const skip = worldObstacle() ?? false;
const procRoot = "/proc";
const nowTicks = (): number => 1_000_000;

const columns = [
  "protocol",
  "family",
  "state",
  "localPort",
  "remotePort",
  "inode",
  "uid",
  "recvQueue",
  "sendQueue",
  "timer",
  "retransmits",
  "references",
] as const;

function readAll(reader: SocketReader, namespace: NamespaceRecord): SocketSink {
  const sink: SocketSink = { sockets: new SocketTable(), familySockets: [] };
  const reading = reader.read(namespace, 3, sink);
  assert.equal(reading.read, true, reader.limits().join("; "));
  assert.deepEqual([reading.linesMalformed, reading.overflowed], [0, 0]);
  return sink;
}

// Plus the columns that only readers with counters share.
const countedColumns = [
  ...columns,
  ...(columnsUnseen.procfs as (typeof changingSocketColumns)[number][]),
] as const;

function inetLines(
  { sockets }: SocketSink,
  left: ReadonlySet<string>,
  names: readonly (typeof countedColumns)[number][] = columns,
): string[] {
  return Array.from({ length: sockets.length }, (_, row) => {
    const values = names
      .filter((name) => !left.has(name))
      .map((name) => `${name}=${sockets[name][row]}`)
      .join(" ");
    return `${formatAddress(sockets.addresses, row * 8)} ${formatAddress(sockets.addresses, row * 8 + 4)} ${values}`;
  }).toSorted();
}

// Rows of sockets that a file refers to.
function heldLines(sink: SocketSink, left: ReadonlySet<string>): string[] {
  return inetLines(sink, left).filter((line) => !line.includes(" inode=0 "));
}

function familyLines({ familySockets }: SocketSink): string[] {
  return familySockets
    .filter((socket) => socket.family !== SocketFamily.SOCKET_FAMILY_UNIX || isSeenByUnixDiag(socket))
    .map((socket) => JSON.stringify({ ...socket, references: 0 }))
    .toSorted();
}

// Opens sockets in a namespace that Node.js cannot open; they stay there until they are closed.
function openOdd(pid: number): number[] {
  const { socket } = syscalls();
  const [inet, inet6, netlink, packet] = [2, 10, 16, 17];
  const [datagram, raw] = [2, 3];
  return inNetworkNamespace(`/proc/${pid}/ns/net`, () => [
    socket(inet, raw, 89),
    socket(inet6, raw, 58),
    socket(netlink, raw, 0),
    socket(packet, raw, 0x0300),
    socket(packet, datagram, 0x0608),
  ]);
}

describe("the readers on one kernel", { skip }, () => {
  it("show the same sockets", async (t) => {
    const sockDiag = createSockDiagReader({ procRoot, nowTicks });
    const obstacle = sockDiag.probe();
    if (obstacle !== null) return t.skip(obstacle);
    await using world = new World();
    const [server, client] = [world.addHost("s"), world.addHost("c")];
    const listening = [
      "listen-tcp",
      "0.0.0.0",
      "7000",
      "listen-tcp",
      "::",
      "7001",
      "listen-udp",
      "::",
      "7003",
    ];
    const { pid } = await world.talk(server, ...listening, "listen-udp", "0.0.0.0", "7002");
    const ends = [
      server.ipv4,
      "7000",
      "connect-tcp",
      server.ipv4,
      "7001",
      "connect-tcp",
      server.ipv6,
      "7001",
    ];
    const talker = await world.talk(client, "connect-tcp", ...ends, "connect-udp", server.ipv6, "7003");
    const gone = await world.talk(client, "connect-tcp", server.ipv4, "7000");
    await gone.kill();
    const odd = openOdd(pid);
    try {
      const procfs = createProcfsReader({ procRoot, littleEndian: true, nowTicks, unixPeers: true });
      const left = new Set<string>([...columnsUnseen.procfs, ...columnsUnseen["sock-diag"]]);
      await eventually(30_000, () => {
        const { namespaces } = createProcessScanner({ procRoot }).scan();
        for (const holder of [pid, talker.pid]) {
          const namespace = namespaces.find(({ pids }) => pids.includes(holder))!;
          const [text, answers] = [readAll(procfs, namespace), readAll(sockDiag, namespace)];
          assert.deepEqual(inetLines(answers, left), inetLines(text, left));
          assert.deepEqual(familyLines(answers), familyLines(text));
          assert.ok(text.sockets.length >= 4 && text.familySockets.length > 0);
        }
        return Promise.resolve();
      });
    } finally {
      for (const descriptor of odd) if (descriptor >= 0) closeSync(descriptor);
    }
  });

  it("show the same TCP sockets if one of them is the BPF iterator", async (t) => {
    const rest = procfsTables.filter((name) => name !== "tcp" && name !== "tcp6");
    const whole = createSockDiagReader({ procRoot, nowTicks, tables: new Set(["tcp", "tcp6"]) });
    let wholeReadings = 0;
    const iterator = createBpfIterReader({
      procRoot,
      nowTicks,
      tcpReader: {
        name: whole.name,
        probe: () => whole.probe(),
        limits: () => whole.limits(),
        read(...place) {
          wholeReadings++;
          return whole.read(...place);
        },
      },
      restReader: createSockDiagReader({ procRoot, nowTicks, tables: new Set(rest) }),
    });
    const obstacle = iterator.probe();
    if (obstacle !== null) return t.skip(obstacle);
    await using world = new World();
    const [server, client] = [world.addHost("s"), world.addHost("c")];
    const { pid } = await world.talk(server, "listen-tcp", "0.0.0.0", "7000", "listen-tcp", "::", "7001");
    const ends = [
      server.ipv4,
      "7000",
      "connect-tcp",
      server.ipv4,
      "7001",
      "connect-tcp",
      server.ipv6,
      "7001",
    ];
    const talker = await world.talk(client, "connect-tcp", ...ends);
    const gone = await world.talk(client, "connect-tcp", server.ipv4, "7000");
    await gone.kill();
    const other = createSockDiagReader({ procRoot, nowTicks });
    if (other.probe() !== null) return t.skip("needs sock-diag for comparison");
    const left = new Set<string>([...columnsUnseen["bpf-iter"], ...columnsUnseen["sock-diag"]]);
    const leftByText = new Set<string>([...columnsUnseen["bpf-iter"], ...columnsUnseen.procfs]);
    const procfs = createProcfsReader({ procRoot, littleEndian: true, nowTicks, unixPeers: true });
    await eventually(30_000, () => {
      const { namespaces } = createProcessScanner({ procRoot }).scan();
      for (const holder of [pid, talker.pid]) {
        const namespace = namespaces.find(({ pids }) => pids.includes(holder))!;
        // The first pass may read the whole table; nothing having moved, the second one uses the iterator's
        // records.
        for (let pass = 0; pass < 2; pass++) {
          const before = wholeReadings;
          iterator.begin!();
          const [records, answers] = [readAll(iterator, namespace), readAll(other, namespace)];
          assert.deepEqual(
            inetLines(records, left, countedColumns),
            inetLines(answers, left, countedColumns),
          );
          const text = readAll(procfs, namespace);
          assert.deepEqual(heldLines(records, leftByText), heldLines(text, leftByText));
          assert.deepEqual(familyLines(records), familyLines(answers));
          if (pass === 1) assert.equal(wholeReadings, before);
        }
      }
      return Promise.resolve();
    });
  });
});
