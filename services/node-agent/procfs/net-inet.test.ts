import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { describe, it } from "node:test";

import fc from "fast-check";

import { formatAddress } from "../../../lib/address.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { inetTables, netInetParser } from "./net-inet.ts";
import type { TableTally } from "./table-lines.ts";

const captures = new URL("../../../test/fixtures/captures/", import.meta.url);

const HEADER =
  "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n";

interface Parsed {
  readonly rows: readonly Row[];
  readonly tally: TableTally;
}

type Row = ReturnType<typeof rowOf>;

function parse(name: string, text: string | Uint8Array, littleEndian = true, chunkBytes = Infinity): Parsed {
  const sockets = new SocketTable(1);
  const tally = { linesMalformed: 0, overflowed: 0 };
  const table = inetTables.find((candidate) => candidate.name === name)!;
  const parser = netInetParser(table, { sockets, namespaceId: 7, nowTicks: 1000, littleEndian, tally });
  const bytes = typeof text === "string" ? Buffer.from(text) : text;
  let position = 0;
  for (let end = 0; end < bytes.length;) {
    end = Math.min(bytes.length, end + chunkBytes);
    position = parser(bytes, position, end, false);
  }
  parser(bytes, position, bytes.length, true);
  return { rows: Array.from({ length: sockets.length }, (_, row) => rowOf(sockets, row)), tally };
}

function rowOf(sockets: SocketTable, row: number) {
  return {
    protocol: sockets.protocol[row]!,
    family: sockets.family[row]!,
    local: formatAddress(sockets.addresses, 8 * row),
    localPort: sockets.localPort[row]!,
    remote: formatAddress(sockets.addresses, 8 * row + 4),
    remotePort: sockets.remotePort[row]!,
    state: sockets.state[row]!,
    sendQueue: sockets.sendQueue[row]!,
    recvQueue: sockets.recvQueue[row]!,
    timer: sockets.timer[row]!,
    timerDeadline: sockets.timerDeadline[row]!,
    retransmits: sockets.retransmits[row]!,
    uid: sockets.uid[row]!,
    inode: sockets.inode[row]!,
    references: sockets.references[row]!,
    namespace: sockets.namespace[row]!,
  };
}

// A complete tcp line; each case below changes one thing in it.
const LINE =
  "   3: 0C00630A:803A 0100630A:192B 01 0000000A:0000000B 02:000006DC 00000003  1000        0 1298849 2 00000000450c42ec 21 4 31 140 -1";

const DECODED: Row = {
  protocol: 6,
  family: 4,
  local: "10.99.0.12",
  localPort: 32826,
  remote: "10.99.0.1",
  remotePort: 6443,
  state: 1,
  sendQueue: 10,
  recvQueue: 11,
  timer: 2,
  timerDeadline: 1000 + 0x6dc,
  retransmits: 3,
  uid: 1000,
  inode: 1298849,
  references: 2,
  namespace: 7,
};

describe("internet tables", () => {
  it("give every field of a line", () => {
    assert.deepEqual(parse("tcp", `${HEADER}${LINE.padEnd(149)}\n`), {
      rows: [DECODED],
      tally: { linesMalformed: 0, overflowed: 0 },
    });
  });

  it("decode the lines that users of the proc file system ask about", () => {
    const text =
      "sl local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n" +
      "0: 0101007F:0035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 11190 1 0000000000000 000 100 0 0 10 0\n" +
      "1: 8700A8C0:91FC 0F02000A:15B3 01 00000000:00000000 02:00000AF6 00000000  1000        0 5565254 2 00000000000 00000 46 4 13 10 -1\n";
    const { rows, tally } = parse("tcp", text);
    assert.equal(tally.linesMalformed, 0);
    const [listener, connection] = rows;
    assert.deepEqual(
      [listener!.local, listener!.localPort, listener!.state, listener!.inode, listener!.uid],
      ["127.0.1.1", 53, 10, 11190, 0],
    );
    assert.deepEqual(
      [
        connection!.local,
        connection!.localPort,
        connection!.remote,
        connection!.remotePort,
        connection!.state,
      ],
      ["192.168.0.135", 37372, "10.0.2.15", 5555, 1],
    );
    assert.deepEqual([connection!.uid, connection!.inode, connection!.timer], [1000, 5565254, 2]);
  });

  const accepted: readonly (readonly [what: string, table: string, line: string, expected: Partial<Row>])[] =
    [
      [
        "TIME_WAIT, which ends at the pointer",
        "tcp",
        "   1: 0100007F:A362 0100007F:1F90 06 00000000:00000000 03:000014B5 00000000     0        0 0 3 00000000a1b2c3d4\n",
        { state: 6, timer: 3, timerDeadline: 1000 + 0x14b5, inode: 0, references: 3, remotePort: 8080 },
      ],
      [
        "a time that has passed, as old kernels print it",
        "tcp",
        LINE.replace("000006DC", "FFFFFFFFFFFFFFF3") + "\n",
        { timerDeadline: 1000, retransmits: 3, inode: 1298849 },
      ],
      [
        "a pointer of 32 bits",
        "tcp",
        LINE.replace("00000000450c42ec", "c207755e") + "\n",
        { inode: 1298849 },
      ],
      [
        "a hidden pointer",
        "tcp",
        LINE.replace("00000000450c42ec", "(____ptrval____)") + "\n",
        { references: 2 },
      ],
      [
        "a uid that an old kernel prints as signed",
        "tcp",
        LINE.replace(" 1000 ", "   -2 ") + "\n",
        { uid: 0xfffffffe },
      ],
      ["more than 9999 lines", "tcp", LINE.replace("   3:", "123456:") + "\n", { inode: 1298849 }],
      ["the largest inode", "tcp", LINE.replace("1298849", "4294967295") + "\n", { inode: 0xffffffff }],
      ["the largest queue", "tcp", LINE.replace("0000000B", "FFFFFFFF") + "\n", { recvQueue: 0xffffffff }],
      [
        "more retransmits than a byte holds",
        "tcp",
        LINE.replace("00000003", "00010000") + "\n",
        { retransmits: 255 },
      ],
      [
        "more references than two bytes hold",
        "tcp",
        LINE.replace(" 2 0", " 70000 0") + "\n",
        { references: 65535 },
      ],
      [
        "udp with drops",
        "udp",
        " 6127: 00000000:1B5A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1303721 2 00000000e2a952e8 17       \n",
        { protocol: 17, family: 4, local: "0.0.0.0", localPort: 7002, state: 7, inode: 1303721 },
      ],
      [
        "udp before there was a column for drops",
        "udp",
        " 6127: 00000000:1B5A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1303721 2 e2a952e8\n",
        { inode: 1303721 },
      ],
      [
        "raw, whose port is the IP protocol that it receives",
        "raw",
        "   1: 00000000:0001 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 99 2 0000000000000000 0\n",
        { protocol: 255, localPort: 1, inode: 99 },
      ],
      [
        "raw6",
        "raw6",
        "   58: 00000000000000000000000000000000:003A 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 98 2 0000000000000000 0\n",
        { protocol: 255, family: 6, localPort: 58, local: "::" },
      ],
      [
        "icmp, whose port is the echo identifier",
        "icmp",
        "   12: 00000000:000C 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 97 2 0000000000000000 0            \n",
        { protocol: 1, localPort: 12 },
      ],
      [
        "icmp6",
        "icmp6",
        "   12: 00000000000000000000000001000000:000C 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 96 2 0000000000000000 0\n",
        { protocol: 58, localPort: 12, local: "::1" },
      ],
      [
        "udplite6",
        "udplite6",
        "   12: B80D0120000000000000000001000000:000C 00000000000000000000000000000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 95 2 0000000000000000 0\n",
        { protocol: 136, family: 6, local: "2001:db8::1" },
      ],
      [
        "IPv4-mapped addresses as IPv4",
        "tcp6",
        "   0: 0000000000000000FFFF00000100007F:1F90 0000000000000000FFFF00000100007F:A362 01 00000000:00000000 00:00000000 00000000     0        0 5 1 0000000072ff996b 20 4 0 10 -1\n",
        {
          protocol: 6,
          family: 4,
          local: "127.0.0.1",
          remote: "127.0.0.1",
          localPort: 8080,
          remotePort: 41826,
        },
      ],
      [
        "a listener on an IPv4-mapped address",
        "tcp6",
        "   0: 0000000000000000FFFF00000100007F:1F90 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 5 1 0000000072ff996b 100 0 0 10 0\n",
        { family: 4, local: "127.0.0.1", remote: "0.0.0.0", state: 10 },
      ],
      [
        "a listener on every address, which stays IPv6",
        "tcp6",
        "   0: 00000000000000000000000000000000:1B59 00000000000000000000000000000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0 1303720 1 0000000072ff996b 100 0 0 10 0\n",
        { family: 6, local: "::", remote: "::", localPort: 7001 },
      ],
    ];
  for (const [what, table, line, expected] of accepted) {
    it(`accept ${what}`, () => {
      const { rows, tally } = parse(table, line);
      assert.equal(tally.linesMalformed, 0);
      assert.equal(rows.length, 1);
      assert.deepEqual({ ...rows[0], ...expected }, rows[0]);
    });
  }

  it("of big-endian hosts hold addresses as they are written", () => {
    const narrow = parse(
      "tcp",
      "   0: 7F000001:1F90 0A6300010:0000 0A\n   1: 7F000001:1F90 0A630001:192B 01 00000000:00000000 00:00000000 00000000     0        0 5 1 c0ffee00 20 4 0 10 -1\n",
      false,
    );
    assert.equal(narrow.tally.linesMalformed, 1);
    assert.deepEqual([narrow.rows[0]!.local, narrow.rows[0]!.remote], ["127.0.0.1", "10.99.0.1"]);
    const wide = parse(
      "tcp6",
      "   0: 20010DB8000000000000000000000001:1F90 00000000000000000000FFFF0A630001:192B 01 00000000:00000000 00:00000000 00000000     0        0 5 1 c0ffee00 20 4 0 10 -1\n" +
        "   1: 00000000000000000000FFFF7F000001:1F90 00000000000000000000FFFF0A630001:192B 01 00000000:00000000 00:00000000 00000000     0        0 5 1 c0ffee00 20 4 0 10 -1\n",
      false,
    );
    assert.deepEqual([wide.rows[0]!.local, wide.rows[0]!.family], ["2001:db8::1", 6]);
    assert.deepEqual(
      [wide.rows[1]!.local, wide.rows[1]!.remote, wide.rows[1]!.family],
      ["127.0.0.1", "10.99.0.1", 4],
    );
  });

  const malformed: readonly (readonly [what: string, line: string, table?: string])[] = [
    ["an empty line", ""],
    ["blanks", "      "],
    ["words", "no such table"],
    ["no line number", LINE.replace("3:", ":")],
    ["no colon behind the line number", LINE.replace("3:", "3 ")],
    ["a letter in the local address", LINE.replace("0C00630A", "0C00630G")],
    ["a short remote address", LINE.replace("0100630A:", "100630A:")],
    ["a long remote address", LINE.replace("0100630A:", "00100630A:")],
    ["no colon before the local port", LINE.replace(":803A", " 803A")],
    ["a letter in the remote port", LINE.replace("192B", "192H")],
    ["state 0", LINE.replace(" 01 ", " 00 ")],
    ["a state beyond four bits", LINE.replace(" 01 ", " 10 ")],
    ["a state that is no number", LINE.replace(" 01 ", " XX ")],
    ["a letter in the send queue", LINE.replace("0000000A:", "0000000Z:")],
    ["no colon between the queues", LINE.replace("0A:0000000B", "0A 0000000B")],
    ["a timer beyond four bits", LINE.replace("02:0", "20:0")],
    ["a short timer", LINE.replace("000006DC", "6DC")],
    ["a timer of nine digits", LINE.replace("000006DC", "0000006DC")],
    ["a letter in retrnsmt", LINE.replace("00000003", "0000000x")],
    ["no uid", LINE.replace("1000        0 ", "             ")],
    ["a uid with a letter", LINE.replace(" 1000 ", " 10a0 ")],
    ["a uid beyond 32 bits", LINE.replace(" 1000 ", " 99999999999 ")],
    ["a lone minus", LINE.replace(" 1000 ", " - ")],
    ["no inode", LINE.replace(" 1298849 2 ", " ")],
    ["a negative sign within the inode", LINE.replace("1298849", "12-98849")],
    ["an inode beyond 32 bits", LINE.replace("1298849", "4294967296")],
    ["an inode of twenty digits", LINE.replace("1298849", "18446744073709551615")],
    ["nothing behind the inode", LINE.slice(0, LINE.indexOf(" 2 0000"))],
    ["no pointer", LINE.slice(0, LINE.indexOf(" 0000000045"))],
    ["a pointer that runs on", LINE.replace("450c42ec", "450c42ec!")],
    ["words at the end", `${LINE} and so on`],
    ["a NUL byte within", LINE.replace(":192B", ":19\0B")],
    ["an address of the other family", LINE, "tcp6"],
    ["drops that are no number", LINE.replace("21 4 31 140 -1", "x"), "udp"],
    ["more than drops", LINE, "udp"],
  ];
  for (const [what, line, table = "tcp"] of malformed) {
    it(`count and skip ${what}`, () => {
      const good = table === "tcp" ? LINE : null;
      const { rows, tally } = parse(table, good === null ? `${line}\n` : `${good}\n${line}\n${good}\n`);
      assert.equal(tally.linesMalformed, 1);
      assert.deepEqual(rows, good === null ? [] : [DECODED, DECODED]);
    });
  }

  it("never take part of a line for the whole", () => {
    for (let length = 0; length <= LINE.length; length++) {
      const { rows, tally } = parse("tcp", `${LINE}\n${LINE.slice(0, length)}`);
      const cut = rows.length === 1;
      assert.ok(cut || length > LINE.indexOf("450c42ec") + 8, `a line cut to ${length} bytes`);
      assert.equal(tally.linesMalformed, cut && length > 0 ? 1 : 0);
      for (const row of rows) assert.deepEqual(row, DECODED);
    }
    const datagram =
      " 6127: 00000000:1B5A 00000000:0000 07 00000000:00000000 00:00000000 00000000     0        0 1303721 2 00000000e2a952e8 17";
    assert.equal(parse("udp", datagram).rows.length, 0);
    assert.equal(parse("udp", `${datagram} `).rows.length, 1);
  });

  it("count rows that find no place", () => {
    const sockets = new SocketTable(1);
    sockets.append = () => -1;
    const tally = { linesMalformed: 0, overflowed: 0 };
    const target = { sockets, namespaceId: 0, nowTicks: 0, littleEndian: true, tally };
    const bytes = Buffer.from(`${HEADER}${LINE}\n${LINE}\n`);
    netInetParser(inetTables[0]!, target)(bytes, 0, bytes.length, true);
    assert.deepEqual(tally, { linesMalformed: 0, overflowed: 2 });
  });

  it("take any bytes", () => {
    const noise = fc.uint8Array({ maxLength: 2000 });
    // Real lines with a few changed bytes get further into the parser than noise does.
    const damaged = fc
      .tuple(
        fc.array(fc.tuple(fc.nat(), fc.nat(255)), { maxLength: 6 }),
        fc.array(fc.constantFrom(0, 130, 149, 160), { maxLength: 4 }),
      )
      .map(([changes, lines]) => {
        const bytes = new Uint8Array(
          Buffer.from(HEADER + lines.map((width) => `${LINE.padEnd(width)}\n`).join("")),
        );
        for (const [at, byte] of changes) bytes[at % bytes.length] = byte;
        return bytes;
      });
    const name = fc.constantFrom(...inetTables.map((table) => table.name));
    fc.assert(
      fc.property(
        fc.oneof(noise, damaged),
        name,
        fc.boolean(),
        fc.integer({ min: 1, max: 300 }),
        (bytes, table, little, chunk) => {
          const whole = parse(table, bytes, little);
          // The result does not depend on how the table is cut into chunks.
          assert.deepEqual(parse(table, bytes, little, chunk), whole);
          const lines = Buffer.from(bytes).toString("latin1").split("\n");
          if (lines.at(-1) === "") lines.pop();
          assert.ok(whole.rows.length + whole.tally.linesMalformed <= lines.length);
        },
      ),
      { numRuns: 3000 },
    );
  });
});

describe("captured tables", () => {
  for (const node of ["node1", "node2"]) {
    for (const process of readdirSync(new URL(`${node}/`, captures))) {
      it(`of ${node}/${process} hold what ss showed there`, () => {
        const directory = new URL(`${node}/${process}/`, captures);
        const found = ["tcp", "tcp6", "udp", "udp6"].flatMap((name) => {
          const { rows, tally } = parse(name, readFileSync(new URL(`net-${name}`, directory)));
          assert.equal(tally.linesMalformed, 0);
          return rows.map(describeRow);
        });
        const shown = readFileSync(new URL("ss.txt", directory), "utf8")
          .trimEnd()
          .split("\n")
          .map(describeSs);
        assert.ok(shown.length > 0);
        assert.deepEqual(found.toSorted(), shown.toSorted());
      });
    }
  }
});

function describeRow(row: Row): string {
  const state = { 1: "ESTAB", 6: "TIME-WAIT", 7: "UNCONN", 10: "LISTEN" }[row.state];
  const protocol = row.protocol === 6 ? "tcp" : "udp";
  return [
    protocol,
    state,
    `${row.local}#${row.localPort}`,
    `${row.remote}#${row.remotePort}`,
    row.inode,
  ].join(" ");
}

function describeSs(line: string): string {
  const [protocol, state, , , local, remote] = line.split(/ +/);
  // A "*" is the wildcard of a dual-stack socket.
  const wildcard = local!.startsWith("*") ? "::" : local!.startsWith("[") ? "::" : "0.0.0.0";
  const address = (text: string): string => {
    const [, ip, port] = /^(.*):([^:]*)$/.exec(text)!;
    const bare = ip!.replace(/^\[(.*)\]$/, "$1");
    return `${bare === "*" ? wildcard : bare}#${port === "*" ? 0 : port}`;
  };
  return [protocol, state, address(local!), address(remote!), /ino:(\d+)/.exec(line)?.[1]].join(" ");
}
