// A small world of network namespaces for tests: hosts on one bridge, each with an IPv4 and an IPv6 address,
// created with iproute2 and removed with everything in it.

import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

const talkerPath = path.join(import.meta.dirname, "talker.js");

/** Why no world can be created here; null if one can. */
export function worldObstacle(): string | null {
  if (process.getuid?.() !== 0) return "needs root to make network namespaces";
  try {
    execFileSync("ip", ["-Version"], { stdio: "ignore" });
  } catch {
    return "needs iproute2";
  }
  try {
    execFileSync("ip", ["netns", "add", probeName], { stdio: "ignore" });
    execFileSync("ip", ["netns", "del", probeName], { stdio: "ignore" });
  } catch {
    return "the kernel lets us make no network namespace";
  }
  return null;
}

const probeName = `wt-probe-${process.pid}`;
let worlds = 0;

/** One network namespace of a world. */
export interface Host {
  readonly name: string;
  readonly ipv4: string;
  readonly ipv6: string;
}

/** A process of talker.js and its output. */
export interface Talker {
  readonly pid: number;
  /** The talker's output, one line per socket. */
  readonly lines: readonly Record<string, unknown>[];
  /** Kills it and waits for its end. */
  kill(): Promise<void>;
}

/** A bridge with hosts on it. */
export class World implements AsyncDisposable {
  readonly #prefix: string;
  readonly #hosts: Host[] = [];
  readonly #children: ChildProcess[] = [];

  constructor() {
    this.#prefix = `wt${process.pid}w${worlds++}`;
    this.#ip("netns", "add", `${this.#prefix}-bridge`);
    this.#in("bridge", "ip", "link", "add", "br0", "type", "bridge");
    this.#in("bridge", "ip", "link", "set", "br0", "up");
  }

  /** Adds a host to the bridge. */
  addHost(name: string): Host {
    const number = this.#hosts.length + 1;
    const namespace = `${this.#prefix}-${name}`;
    const host = { name: namespace, ipv4: `10.77.0.${number}`, ipv6: `fd77::${number}` };
    this.#ip("netns", "add", namespace);
    this.#hosts.push(host);
    this.#ip(
      "link",
      "add",
      "eth0",
      "netns",
      namespace,
      "type",
      "veth",
      "peer",
      "name",
      `v${number}`,
      "netns",
      `${this.#prefix}-bridge`,
    );
    this.#in("bridge", "ip", "link", "set", `v${number}`, "master", "br0", "up");
    this.#in(name, "ip", "address", "add", `${host.ipv4}/24`, "dev", "eth0");
    this.#in(name, "ip", "address", "add", `${host.ipv6}/64`, "dev", "eth0", "nodad");
    this.#in(name, "ip", "link", "set", "eth0", "up");
    this.#in(name, "ip", "link", "set", "lo", "up");
    return host;
  }

  /**
   * Starts a talker in a host (null: in this process's own namespace) and waits until it has all its sockets
   * open.
   */
  async talk(host: Host | null, ...words: string[]): Promise<Talker> {
    const command = [process.execPath, talkerPath, ...words];
    const [program, ...rest] = host === null ? command : ["ip", "netns", "exec", host.name, ...command];
    const child = spawn(program!, rest, { stdio: ["pipe", "pipe", "inherit"] });
    this.#children.push(child);
    const lines: Record<string, unknown>[] = [];
    for await (const line of createInterface(child.stdout)) {
      const said = JSON.parse(line) as Record<string, unknown>;
      if (said["ready"] === true) return { pid: Number(said["pid"]), lines, kill: () => end(child) };
      lines.push(said);
    }
    throw new Error(`the talker ended early: ${words.join(" ")}`);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.#children.map(end));
    for (const host of this.#hosts) this.#ip("netns", "del", host.name);
    this.#ip("netns", "del", `${this.#prefix}-bridge`);
  }

  #in(name: string, ...command: string[]): void {
    this.#ip("netns", "exec", `${this.#prefix}-${name}`, ...command);
  }

  #ip(...words: string[]): void {
    execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });
  }
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  child.kill("SIGKILL");
  await once(child, "exit");
}
