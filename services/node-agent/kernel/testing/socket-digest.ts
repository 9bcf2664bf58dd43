// Run by socket-digest.test.ts in a pid namespace of its own, where no other socket comes or goes: opens, connects, binds,
// hands on and closes sockets and asks each time whether the digest tells. Ends with an error where it does not.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";

import { NO_DIGEST } from "./no-digest.ts";
import { SocketIterator } from "../socket-iterator.ts";

const iterator = SocketIterator.load();
let digest = iterator.readDigest();
const mustHaveMoved = (what: string): void => {
  const before = digest;
  digest = iterator.readDigest();
  assert.notEqual(digest, before, what);
  assert.equal(iterator.readDigest(), digest, `${what}, and then nothing`);
};

// Before 5.11 there is none: records are read in each pass.
if (digest === null) process.exit(NO_DIGEST);
assert.match(digest, /^[0-9a-f]{32}$/);
const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
await once(server, "listening");
mustHaveMoved("a socket listens");

const client = createConnection((server.address() as { port: number }).port, "127.0.0.1");
await Promise.all([once(client, "connect"), once(server, "connection")]);
const listening = digest;
mustHaveMoved("a connection was made");
await new Promise((sent) => client.write("data", sent));
assert.equal(iterator.readDigest(), digest, "data alone moves nothing");
client.end();
await once(client, "close");
mustHaveMoved("a connection was closed");
assert.equal(digest, listening, "the same sockets have the same digest");
const datagrams = createSocket("udp4").bind(0, "127.0.0.1");
await once(datagrams, "listening");
mustHaveMoved("a datagram socket was bound");
datagrams.connect(9, "127.0.0.1");
await once(datagrams, "connect");
mustHaveMoved("a datagram socket was connected");
const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
await once(child, "spawn");
mustHaveMoved("a process with a socket of its own was started");
child.stdin.end();
await once(child, "close");
mustHaveMoved("it ended");
process.exit(0);
