// The generator of short connections, running in a network namespace of its own whose connections the kernel
// tracks.

import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import path from "node:path";
import { createInterface } from "node:readline";

/** Bytes of one connection, to the server and to the client. */
export const SENT = 100;
export const ANSWERED = 50;

/** The servers' port, in the generator's own network namespace. */
export const PORT = 7000;

/** Names of the processes at the two ends. */
export const CLIENT = "short-client";
export const SERVER = "short-server";

/** What the generator made. */
export interface Made {
  readonly connections: number;
  readonly perSecond: number;
  /** Microseconds that a client spent on a connection, and of CPU that both ends did. */
  readonly busyMicros: number;
  readonly cpuMicros: number;
}

/** Compiles the generator into a directory; throws if there is no compiler. */
export function compileGenerator(directory: string): string {
  const generator = path.join(directory, "generator");
  execFileSync("cc", ["-O2", "-o", generator, path.join(import.meta.dirname, "generator.c")]);
  return generator;
}

let started = 0;

/** A generator that waits for run(). */
export class GeneratedLoad {
  readonly namespace = `wt-short-${process.pid}-${started++}`;
  readonly #lines: AsyncIterator<string>;
  readonly #child: ChildProcess;

  constructor(generator: string, rate: number, seconds: number) {
    this.#ip("netns", "add", this.namespace);
    // The pair gives the namespace an id in ours, as a pod's has on its node: destroyed sockets are announced
    // with it.
    const link = ["link", "add", `wts${started}`, "type", "veth", "peer", "name", "eth0"];
    this.#ip(...link, "netns", this.namespace);
    this.#ip("-n", this.namespace, "link", "set", "lo", "up");
    // A rule that matches on connections makes the kernel track them; entries expire one second after their
    // connection.
    this.#inside("iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW");
    this.#inside("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_time_wait=1");
    const words = [PORT, rate, seconds].map(String);
    this.#child = spawn("ip", ["netns", "exec", this.namespace, generator, ...words], {
      stdio: ["pipe", "pipe", "inherit"],
    });
    this.#lines = createInterface(this.#child.stdout!)[Symbol.asyncIterator]();
  }

  /** Resolves once the servers listen. */
  async listening(): Promise<void> {
    await this.#line();
  }

  /** Opens the connections. */
  async run(): Promise<Made> {
    this.#child.stdin!.write("\n");
    const [connections, elapsedNs, busyNs, cpuNs] = (await this.#line()).split(" ").map(Number) as [
      number,
      number,
      number,
      number,
    ];
    return {
      connections,
      perSecond: connections / (elapsedNs / 1e9),
      busyMicros: busyNs / connections / 1000,
      cpuMicros: cpuNs / connections / 1000,
    };
  }

  /** Ends the servers and removes the namespace. */
  async end(): Promise<void> {
    const ended = once(this.#child, "exit");
    this.#child.stdin!.end("\n");
    await ended;
    this.#ip("netns", "del", this.namespace);
  }

  async #line(): Promise<string> {
    const { value, done } = await this.#lines.next();
    if (done === true) throw new Error("the generator ended");
    return value;
  }

  #inside(...words: readonly string[]): void {
    this.#ip("netns", "exec", this.namespace, ...words);
  }

  #ip(...words: readonly string[]): void {
    execFileSync("ip", words, { stdio: ["ignore", "ignore", "inherit"] });
  }
}
