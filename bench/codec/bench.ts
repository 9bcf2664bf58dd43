// The codec: sockets as columns compared with a ts-proto message per socket and with JSON, in both directions,
// with their sizes on the wire. One process, CPU time, interleaved rounds.

import { decodeReport, encodeReport, REPORT_SCHEMA } from "../../lib/report-codec.ts";
import { Report } from "../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { median, printTable } from "../measure.ts";
import type { Row } from "./gen/whotalks/bench/v1/rows.ts";
import { Rows } from "./gen/whotalks/bench/v1/rows.ts";

/** Sockets per report: about as many as in a part of a keyframe. */
const SOCKETS = 6000;
const ROUNDS = 31;
/** Rounds before the measurement: an agent encodes for days. */
const WARM_ROUNDS = 60;
const header = Report.fromPartial({ schema: REPORT_SCHEMA, node: "node1" });

/** Measures and prints the table. */
export function run(): Promise<void> {
  const sockets = syntheticSockets(SOCKETS);
  const rows = rowsOf(sockets);
  const columnBytes = encodeColumns(sockets);
  const rowBytes = Rows.encode({ rows }).finish();
  const json = JSON.stringify(rows.map(plainRow));
  const measured = measure({
    columnsEncode: () => encodeColumns(sockets),
    columnsDecode: () => decodeReport(columnBytes),
    rowsEncode: () => Rows.encode({ rows }).finish(),
    rowsDecode: () => Rows.decode(rowBytes),
    jsonEncode: () => JSON.stringify(rows.map(plainRow)),
    jsonDecode: () => JSON.parse(json) as unknown,
  });
  const nanoseconds = (name: string): number => measured.get(name)! / SOCKETS;
  const line = (name: string, key: string, bytes: number): string[] => [
    name,
    (bytes / SOCKETS).toFixed(1),
    nanoseconds(`${key}Encode`).toFixed(0),
    nanoseconds(`${key}Decode`).toFixed(0),
    (nanoseconds(`${key}Encode`) / nanoseconds("columnsEncode")).toFixed(1),
    (nanoseconds(`${key}Decode`) / nanoseconds("columnsDecode")).toFixed(1),
  ];
  printTable([
    ["per socket", "bytes", "encode ns", "decode ns", "encode ×", "decode ×"],
    line("columns (ours)", "columns", columnBytes.length),
    line("rows of ts-proto", "rows", rowBytes.length),
    line("JSON", "json", json.length),
  ]);
  return Promise.resolve();
}

// Returns medians in nanoseconds per call. Short calls are repeated within a round, so that the clock's
// resolution does not matter.
function measure(calls: Readonly<Record<string, () => unknown>>): Map<string, number> {
  const samples = new Map<string, number[]>();
  let kept: unknown;
  for (let round = -WARM_ROUNDS; round < ROUNDS; round++) {
    for (const [name, call] of Object.entries(calls)) {
      const repeats = 5;
      const start = process.hrtime.bigint();
      for (let i = 0; i < repeats; i++) kept = call();
      const perCall = Number(process.hrtime.bigint() - start) / repeats;
      if (round >= 0) samples.set(name, [...(samples.get(name) ?? []), perCall]);
    }
  }
  if (kept === undefined) throw new Error("nothing was measured");
  return new Map([...samples].map(([name, values]) => [name, median(values)]));
}

function encodeColumns(sockets: SocketTable): Uint8Array {
  return encodeReport(header, { sockets: { table: sockets, from: 0, to: sockets.length } });
}

// Sockets of an ordinary node: nine of ten rows are IPv4, every column is used.
function syntheticSockets(count: number): SocketTable {
  const sockets = new SocketTable(count);
  for (let i = 0; i < count; i++) {
    const row = sockets.append();
    sockets.id[row] = i + 1;
    sockets.namespace[row] = i % 110;
    sockets.protocol[row] = 6;
    sockets.state[row] = 1;
    const ipv6 = i % 10 === 0;
    sockets.family[row] = ipv6 ? 6 : 4;
    const network = ipv6 ? [0xfd000010, 0x02440000, 0] : [0, 0, 0xffff];
    sockets.addresses.set([...network, 0x0af40000 + (i % 110), ...network, 0x0af40100 + (i % 97)], row * 8);
    sockets.localPort[row] = 32768 + (i % 28000);
    sockets.remotePort[row] = 7000 + (i % 13);
    sockets.inode[row] = 1_300_000 + i;
    sockets.uid[row] = 1000 + (i % 5);
    sockets.recvQueue[row] = i % 17 === 0 ? 1448 : 0;
    sockets.sendQueue[row] = i % 19 === 0 ? 2896 : 0;
    sockets.timer[row] = i % 2 === 0 ? 2 : 0;
    sockets.timerDeadline[row] = i % 2 === 0 ? 500_000 + i : 0;
    sockets.references[row] = 2;
    sockets.firstSeen[row] = 400_000 - i;
  }
  return sockets;
}

function rowsOf(sockets: SocketTable): Row[] {
  const bytes = Buffer.alloc(32);
  return Array.from({ length: sockets.length }, (_, row) => {
    for (let i = 0; i < 8; i++) bytes.writeUInt32BE(sockets.addresses[row * 8 + i]!, i * 4);
    const width = sockets.family[row] === 4 ? 4 : 16;
    return {
      id: sockets.id[row]!,
      namespace: sockets.namespace[row]!,
      protocol: sockets.protocol[row]!,
      state: sockets.state[row]!,
      localAddress: Uint8Array.prototype.slice.call(bytes, 16 - width, 16),
      remoteAddress: Uint8Array.prototype.slice.call(bytes, 32 - width, 32),
      localPort: sockets.localPort[row]!,
      remotePort: sockets.remotePort[row]!,
      inode: sockets.inode[row]!,
      uid: sockets.uid[row]!,
      recvQueue: sockets.recvQueue[row]!,
      sendQueue: sockets.sendQueue[row]!,
      timer: sockets.timer[row]!,
      timerDeadline: sockets.timerDeadline[row]!,
      references: sockets.references[row]!,
      firstSeen: sockets.firstSeen[row]!,
    };
  });
}

function plainRow(row: Row): unknown {
  return { ...row, localAddress: row.localAddress.join("."), remoteAddress: row.remoteAddress.join(".") };
}
