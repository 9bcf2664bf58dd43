import assert from "node:assert/strict";
import { it } from "node:test";

import { SocketTable } from "../../../lib/socket-table.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";
import { hostIsLittleEndian } from "../kernel/byte-order.ts";
import { SocketRecord } from "../kernel/bpf/socket-record.ts";
import { AF_INET, SOCK_STREAM } from "../kernel/constants.ts";
import { RecordIndex } from "./socket-records.ts";

const NAMESPACE = 4026;

/** Records of TCP sockets in these states, with these local ports. */
function indexOf(...sockets: readonly (readonly [state: number, localPort: number])[]): RecordIndex {
  const words = new Uint32Array((sockets.length * SocketRecord.bytes) / 4);
  const view = new DataView(words.buffer);
  for (const [record, [state, localPort]] of sockets.entries()) {
    const at = record * SocketRecord.bytes;
    view.setUint32(at + SocketRecord.inode, 100 + record, hostIsLittleEndian);
    view.setUint32(at + SocketRecord.namespace, NAMESPACE, hostIsLittleEndian);
    view.setUint16(at + SocketRecord.family, AF_INET, hostIsLittleEndian);
    view.setUint16(at + SocketRecord.type, SOCK_STREAM, hostIsLittleEndian);
    view.setUint16(at + SocketRecord.protocol, Protocol.tcp, hostIsLittleEndian);
    view.setUint8(at + SocketRecord.state, state);
    view.setUint16(at + SocketRecord.localPort, localPort, hostIsLittleEndian);
  }
  const index = new RecordIndex(4e6);
  // oxlint-disable-next-line unicorn/no-array-fill-with-reference-type -- no array is filled
  index.fill({ view, words, count: sockets.length, overflowed: 0 });
  return index;
}

it("a TCP socket has a row once it is in a table of the kernel", () => {
  const { SYN_SENT, ESTABLISHED, CLOSE } = SocketState;
  const index = indexOf([ESTABLISHED, 80], [CLOSE, 0], [SYN_SENT, 40_000], [SYN_SENT, 0]);
  const sockets = new SocketTable();
  assert.equal(index.append(NAMESPACE, 1, 0, sockets), 0);
  assert.deepEqual(new Set(sockets.state.subarray(0, sockets.length)), new Set([ESTABLISHED, SYN_SENT]));
  assert.equal(index.tcpCount(NAMESPACE), 2);
});
