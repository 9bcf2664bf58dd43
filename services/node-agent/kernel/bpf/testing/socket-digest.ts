// Run by socket-digest.test.ts in its own pid namespace, where no other socket opens or closes: opens,
// connects, binds, passes on and closes sockets and checks each time whether the digest changes.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import { createConnection, createServer } from "node:net";

import { check, checksDone, checksImpossible } from "../../../../../lib/testing/child-checks.ts";
import { SocketIterator } from "../socket-iterator.ts";

const iterator = SocketIterator.load();
let digest = iterator.readDigest();
// Kernels before 5.11 have no digest: records are read in each pass.
if (digest === null) checksImpossible("this kernel has no digest of sockets (it came with 5.11)");
const changesOnce = (what: string): Promise<void> =>
  check(what, () => {
    const before = digest;
    digest = iterator.readDigest();
    assert.notEqual(digest, before);
    assert.equal(iterator.readDigest(), digest, "it changes once");
  });

await check("the digest is 32 hexadecimal digits", () => assert.match(digest!, /^[0-9a-f]{32}$/));
const server = createServer((socket) => socket.resume()).listen(0, "127.0.0.1");
await once(server, "listening");
await changesOnce("a socket that listens changes it");

const client = createConnection((server.address() as { port: number }).port, "127.0.0.1");
await Promise.all([once(client, "connect"), once(server, "connection")]);
const listening = digest;
await changesOnce("a new connection changes it");
await new Promise((sent) => client.write("data", sent));
await check("data alone changes nothing", () => assert.equal(iterator.readDigest(), digest));
client.end();
await once(client, "close");
await changesOnce("a closed connection changes it");
await check("the same sockets have the same digest", () => assert.equal(digest, listening));
const datagrams = createSocket("udp4").bind(0, "127.0.0.1");
await once(datagrams, "listening");
await changesOnce("a bound datagram socket changes it");
datagrams.connect(9, "127.0.0.1");
await once(datagrams, "connect");
await changesOnce("a connected datagram socket changes it");
const child = spawn("cat", { stdio: ["pipe", "ignore", "ignore"] });
await once(child, "spawn");
await changesOnce("a new process with a socket of its own changes it");
child.stdin.end();
await once(child, "close");
await changesOnce("the end of that process changes it");
checksDone();
