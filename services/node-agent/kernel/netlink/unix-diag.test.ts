import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readlinkSync, rmSync } from "node:fs";
import { createConnection, createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";
import { describe, it } from "node:test";

import fc from "fast-check";

import { SyscallError } from "../syscalls.ts";
import { dumpUnixSockets, parseUnixDiag } from "./unix-diag.ts";

const OWN = "/proc/self/ns/net";

describe("unix_diag messages", () => {
  it("take any bytes", () => {
    const bytes = fc.uint8Array({ maxLength: 120 });
    fc.assert(
      fc.property(bytes, fc.boolean(), (noise, littleEndian) => {
        const message = Uint8Array.of(1, ...noise);
        parseUnixDiag(new DataView(message.buffer), 0, message.length, littleEndian);
      }),
    );
  });

  it("are malformed if an attribute exceeds its message", () => {
    const message = new Uint8Array(24);
    message[0] = 1;
    message[16] = 12;
    assert.equal(parseUnixDiag(new DataView(message.buffer), 0, 24, true), null);
    message[16] = 8;
    assert.notEqual(parseUnixDiag(new DataView(message.buffer), 0, 24, true), null);
  });
});

describe("unix sockets of the kernel", () => {
  for (const [what, name] of [
    ["a path", path.join(tmpdir(), `whotalks-${process.pid} a\nb.sock`)],
    ["an abstract name", `\0whotalks-${process.pid}`],
  ] as const) {
    it(`with ${what} show both ends of a connection as each other's peer`, async () => {
      const server = createServer((socket) => void socket.resume()).listen(name);
      await once(server, "listening");
      const client = createConnection(name);
      await once(client, "connect");
      try {
        const sockets = [...dumpUnixSockets(OWN).values()];
        const shown = name.replaceAll("\0", "@");
        const listener = sockets.find((socket) => socket.name === shown && socket.state === 10);
        const accepted = sockets.find((socket) => socket.name === shown && socket.state === 1);
        assert.ok(listener !== undefined && accepted !== undefined);
        const connecting = sockets.find((socket) => socket.inode === accepted.peerInode);
        assert.equal(connecting?.peerInode, accepted.inode);
        assert.equal(accepted.uid, process.getuid!());
        assert.equal(accepted.type, 1);
      } finally {
        client.destroy();
        server.close();
        if (!name.startsWith("\0")) rmSync(name, { force: true });
      }
    });
  }

  it("are read in another network namespace, and this one is come back to", async (t) => {
    if (process.getuid!() !== 0) return t.skip("needs root to make a network namespace");
    const before = readlinkSync("/proc/thread-self/ns/net");
    const script = "require('net').createServer().listen('\\0whotalks-other',()=>console.log('ready'))";
    const child = spawn("unshare", ["-n", process.execPath, "-e", script], {
      stdio: ["ignore", "pipe", "ignore"],
    });
    try {
      await once(child.stdout, "data");
      const names = [...dumpUnixSockets(`/proc/${child.pid}/ns/net`).values()].map((socket) => socket.name);
      assert.deepEqual(
        names.filter((name) => name !== null),
        ["@whotalks-other"],
      );
      assert.equal(readlinkSync("/proc/thread-self/ns/net"), before);
    } finally {
      child.kill("SIGKILL");
      await once(child, "close");
    }
  });

  it("cannot be read from a file that is not a namespace", () => {
    assert.throws(() => dumpUnixSockets("/proc/self/status"), SyscallError);
    assert.throws(() => dumpUnixSockets("/proc/self/ns/nothing"), { code: "ENOENT" });
  });
});
