// Load for benches: network namespaces full of open loopback connections, which a few processes hold.

import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const holderPath = path.join(import.meta.dirname, "socket-holder.js");

/** Connections per holding process: below every usual limit of open files. */
const CONNECTIONS_PER_PROCESS = 8_000;

/** Namespaces with sockets in them. */
export interface SocketLoad extends AsyncDisposable {
  /** Names of the namespaces, for `ip netns exec`. */
  readonly namespaces: readonly string[];
  /** One pid in each namespace. */
  readonly pids: readonly number[];
}

/**
 * Creates `namespaces` network namespaces with `sockets` TCP sockets in total (two per connection). Needs
 * root.
 */
export async function makeSocketLoad(namespaces: number, sockets: number): Promise<SocketLoad> {
  const names: string[] = [];
  const children: ChildProcess[] = [];
  const pids: number[] = [];
  const connectionsEach = Math.ceil(sockets / 2 / namespaces);
  for (let number = 0; number < namespaces; number++) {
    const name = `wtbench${process.pid}-${number}`;
    execFileSync("ip", ["netns", "add", name]);
    names.push(name);
    execFileSync("ip", ["netns", "exec", name, "ip", "link", "set", "lo", "up"]);
    for (let left = connectionsEach; left > 0; left -= CONNECTIONS_PER_PROCESS) {
      const child = hold(name, Math.min(left, CONNECTIONS_PER_PROCESS));
      children.push(child);
      const pid = await readyPid(child);
      if (left === connectionsEach) pids.push(pid);
    }
  }
  return {
    namespaces: names,
    pids,
    async [Symbol.asyncDispose]() {
      await Promise.all(
        children.map(async (child) => {
          const exit = once(child, "exit");
          child.kill("SIGKILL");
          await exit;
        }),
      );
      for (const name of names) execFileSync("ip", ["netns", "del", name]);
    },
  };
}

function hold(namespace: string, connections: number): ChildProcess {
  const command = `ulimit -n 65536 2>/dev/null || ulimit -n hard; exec "${process.execPath}" "${holderPath}" ${connections}`;
  return spawn("ip", ["netns", "exec", namespace, "bash", "-c", command], {
    stdio: ["pipe", "pipe", "inherit"],
  });
}

async function readyPid(child: ChildProcess): Promise<number> {
  for await (const line of createInterface(child.stdout!)) return Number(line);
  throw new Error("a process of the load ended early");
}
