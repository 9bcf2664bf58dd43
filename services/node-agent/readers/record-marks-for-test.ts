// Run by record-marks.test.ts in a pid namespace of its own, where no other socket comes or goes: opens, connects, binds and
// closes sockets and asks each time whether the marks tell. Ends with an error where they do not.

import assert from "node:assert/strict";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";

import { SocketIterator } from "../kernel/socket-iterator.ts";
import { RecordMarks } from "./record-marks.ts";

const iterator = SocketIterator.load();
const marks = new RecordMarks();
const areStill = (): boolean => marks.areStill(iterator.readMarks()!);
const mustHaveMoved = (what: string): void => {
  assert.equal(areStill(), false, what);
  marks.take(iterator.read());
  assert.equal(areStill(), true, `${what}, and then nothing`);
};

assert.notEqual(iterator.readMarks(), null);
const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
await once(server, "listening");
marks.take(iterator.read());
assert.equal(marks.take(iterator.read()), true);
assert.equal(areStill(), true);

const client = createConnection((server.address() as { port: number }).port, "127.0.0.1");
await Promise.all([once(client, "connect"), once(server, "connection")]);
mustHaveMoved("a connection was made");
await new Promise((sent) => client.write("data", sent));
assert.equal(areStill(), true, "data alone moves no mark");
client.end();
await once(client, "close");
mustHaveMoved("a connection was closed");
const datagrams = createSocket("udp4").bind(0, "127.0.0.1");
await once(datagrams, "listening");
mustHaveMoved("a datagram socket was bound");
datagrams.connect(9, "127.0.0.1");
await once(datagrams, "connect");
mustHaveMoved("a datagram socket was connected");
process.exit(0);
