// Which descriptors are readable, of real sockets.

import assert from "node:assert/strict";
import { closeSync } from "node:fs";
import { it } from "node:test";

import { hostIsLittleEndian } from "./byte-order.ts";
import { AF_UNIX, NETLINK_ROUTE, SOCK_STREAM } from "./constants.ts";
import { openNetlink } from "./netlink/netlink.ts";
import { ReadableDescriptors } from "./readable.ts";
import { syscalls } from "./syscalls.ts";

const MSG_DONTWAIT = 0x40;

// RTM_GETLINK with NLM_F_REQUEST | NLM_F_DUMP: the kernel answers at once.
function ask(descriptor: number): void {
  const request = new Uint8Array(32);
  const view = new DataView(request.buffer);
  view.setUint32(0, request.length, hostIsLittleEndian);
  view.setUint16(4, 18, hostIsLittleEndian);
  view.setUint16(6, 0x301, hostIsLittleEndian);
  assert.equal(syscalls().send(descriptor, request, request.length, 0), request.length);
}

it("only sockets on which something waits are readable", (t) => {
  const sockets = [0, 1, 2].map(() => openNetlink(NETLINK_ROUTE));
  t.after(() => sockets.forEach((socket) => closeSync(socket)));
  const readable = new ReadableDescriptors(sockets);
  assert.deepEqual(readable.places(), []);
  ask(sockets[1]!);
  assert.deepEqual(readable.places(), [1]);
  ask(sockets[2]!);
  assert.deepEqual(readable.places(), [1, 2]);
  const bytes = new Uint8Array(65_536);
  while (syscalls().recv(sockets[1]!, bytes, bytes.length, MSG_DONTWAIT) > 0);
  assert.deepEqual(readable.places(), [2]);
});

it("a socket that failed counts as readable, and none is of an empty list", (t) => {
  const socket = syscalls().socket(AF_UNIX, SOCK_STREAM, 0);
  t.after(() => closeSync(socket));
  // Not connected: POLLHUP.
  assert.deepEqual(new ReadableDescriptors([socket]).places(), [0]);
  assert.deepEqual(new ReadableDescriptors([]).places(), []);
});
