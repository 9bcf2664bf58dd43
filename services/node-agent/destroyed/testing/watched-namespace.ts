// A test's own network namespace, and an agent that reads only this one: prints its connections as lines.

import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, statSync } from "node:fs";

import { formatAddress } from "../../../../lib/address.ts";
import type { NamespaceCoverage, NodeCoverage } from "../../../../lib/gen/whotalks/v1/report.ts";
import type { DecodedReport } from "../../../../lib/report-codec.ts";
import { decodeReport } from "../../../../lib/report-codec.ts";
import type { SocketTable } from "../../../../lib/socket-table.ts";
import { protocolWord } from "../../../../lib/vocabulary/protocols.ts";
import { stateWord } from "../../../../lib/vocabulary/states.ts";
import type { ProcessScanner } from "../../observation.ts";
import { createNodeAgent, ReaderObstacle } from "../../node-agent.ts";
import type { Agent } from "../../agent.ts";
import { createProcessScanner } from "../../processes/scan.ts";
import type { ReaderChoice } from "../../../../lib/vocabulary/reader-names.ts";
import type { DestroyedSocketsOptions } from "../destroyed-sockets.ts";
import { DestroyedSockets } from "../destroyed-sockets.ts";
import { NamespaceArrivals } from "../namespace-arrivals.ts";

const procRoot = "/proc";

/** Why a test that makes namespaces cannot run here; false where it can. */
export const withoutNamespaces = process.getuid?.() === 0 ? false : "needs root to make network namespaces";

/** A socket of a report, as reported. */
export interface ToldSocket {
  readonly id: number;
  /** "tcp 127.0.0.1:80 -> 127.0.0.1:40000 CLOSE". */
  readonly tuple: string;
  readonly localPort: number;
  readonly remotePort: number;
  readonly state: string;
  readonly sent: number;
  readonly received: number;
  readonly counted: boolean;
  readonly attempt: number;
  /** Whether it is in the report's removals too. */
  readonly ended: boolean;
  /** Pids of who held it. */
  readonly pids: readonly number[];
}

/** A script that runs in a namespace. */
export interface Started extends AsyncDisposable {
  /** The first line that it printed. */
  readonly line: string;
  readonly pid: number;
  end(): Promise<void>;
}

/** What one pass reported. */
export interface ToldPass {
  readonly sockets: readonly ToldSocket[];
  readonly changes: readonly ToldSocket[];
  readonly account: NamespaceCoverage | null;
  readonly coverage: NodeCoverage;
}

/** How the agent of a test is set up. */
export interface WatchOptions {
  readonly reader?: ReaderChoice;
  /** Null: no events of destroyed sockets. */
  readonly destroyed?: Partial<DestroyedSocketsOptions> | null;
  /** Has the namespace a number in ours, as container network plugins give it one? */
  readonly numbered?: boolean;
  /** Whether the namespace is made only when it is asked for. */
  readonly later?: boolean;
}

let made = 0;

/** A namespace with loopback, and its agent. */
export class WatchedNamespace implements Disposable {
  readonly name = `wt-d${process.pid}-${++made}`;
  readonly destroyed: DestroyedSockets | null;
  /** Why the reader cannot work here; null where it can. */
  readonly obstacle: string | null = null;
  readonly #numbered: boolean;
  readonly #agent: Agent | null = null;
  readonly #namespaces = new Map<number, number>();
  readonly #accounts = new Map<number, NamespaceCoverage>();
  readonly #pids = new Map<number, number>();
  #reports: DecodedReport[] = [];
  #coverage: NodeCoverage | null = null;
  /** Inode of the namespace; -1 before it is made. */
  inode = -1;

  constructor(options: WatchOptions = {}) {
    const { reader = "sock-diag", destroyed = {}, numbered = false, later = false } = options;
    this.#numbered = numbered;
    if (!later) this.make();
    const startMs = performance.now();
    const elapsedMs = (): number => performance.now() - startMs;
    const arrivals = new NamespaceArrivals({ procRoot, processes: createProcessScanner({ procRoot }) });
    this.destroyed =
      destroyed === null ? null : new DestroyedSockets({ procRoot, elapsedMs, arrivals, ...destroyed });
    try {
      this.#agent = createNodeAgent(
        { node: "n", procRoot, reader, conntrack: "none", events: "off" },
        {
          processes: this.#only(createProcessScanner({ procRoot })),
          sink: {
            publish: async (bytes) => {
              const report = decodeReport(bytes);
              if (typeof report === "string") throw new Error(report);
              this.#reports.push(report);
              return Promise.resolve();
            },
          },
          flows: null,
          destroyed: this.destroyed,
          elapsedMs,
          onPass: (coverage) => {
            this.#coverage = coverage;
          },
        },
        { intervalMs: 1000, keyframeMs: Number.POSITIVE_INFINITY, cpuShare: null },
      );
    } catch (error) {
      if (!(error instanceof ReaderObstacle)) throw error;
      this.obstacle = error.message;
    }
  }

  /** Makes the namespace. */
  make(): void {
    ip(`netns add ${this.name}`);
    if (this.#numbered) ip(`link add ${this.veth} type veth peer name eth0 netns ${this.name}`);
    ip(`-n ${this.name} link set lo up`);
    this.inode = statSync(`/run/netns/${this.name}`).ino;
  }

  /** The end of a pair of interfaces that is in our own namespace. */
  get veth(): string {
    return `v${process.pid}-${made}`;
  }

  /** Runs a script of Node's in the namespace to its end; gives what it printed as JSON. */
  run(script: string): unknown {
    return JSON.parse(this.exec(process.execPath, "-e", script));
  }

  /** Runs a program in the namespace to its end; gives what it printed. */
  exec(...command: readonly string[]): string {
    return execFileSync("ip", ["netns", "exec", this.name, ...command], { encoding: "utf8" });
  }

  /** Starts a script of Node's in the namespace; gives the first line that it prints, and how to end it. */
  async start(script: string): Promise<Started> {
    const child = spawn("ip", ["netns", "exec", this.name, process.execPath, "-e", script], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [chunk] = (await once(child.stdout, "data")) as [Buffer];
    const end = async (): Promise<void> => {
      if (child.exitCode !== null || child.signalCode !== null) return;
      const exited = once(child, "exit");
      child.kill("SIGKILL");
      await exited;
    };
    return { line: chunk.toString().trim(), pid: child.pid!, end, [Symbol.asyncDispose]: end };
  }

  /** Makes one pass and returns what it reported of the namespace. */
  async pass(): Promise<ToldPass> {
    this.#reports = [];
    await this.#agent!.pass();
    const sockets: ToldSocket[] = [];
    const changes: ToldSocket[] = [];
    for (const report of this.#reports) {
      for (const { id, inode } of report.header.namespaces) this.#namespaces.set(id, inode);
      for (const { id, pid } of report.header.processes) this.#pids.set(id, pid);
      for (const account of report.header.namespaceCoverage)
        this.#accounts.set(this.#namespaces.get(account.namespace) ?? 0, account);
    }
    const removed = new Set(this.#reports.flatMap(({ socketsRemoved }) => [...socketsRemoved]));
    for (const report of this.#reports) {
      const { sockets: added, changes: changed } = report;
      for (let row = 0; row < (added?.length ?? 0); row++) {
        if (this.#namespaces.get(added!.namespace[row]!) === this.inode)
          sockets.push(this.#told(added!, row, removed, report));
      }
      for (let row = 0; row < (changed?.length ?? 0); row++)
        changes.push(this.#told(changed!, row, removed, report));
    }
    return { sockets, changes, account: this.#accounts.get(this.inode) ?? null, coverage: this.#coverage! };
  }

  [Symbol.dispose](): void {
    this.destroyed?.close();
    // The test may have deleted it.
    if (existsSync(`/run/netns/${this.name}`)) ip(`netns del ${this.name}`);
  }

  #told(table: SocketTable, row: number, removed: ReadonlySet<number>, report: DecodedReport): ToldSocket {
    const id = table.id[row]!;
    const address = (place: number): string => formatAddress(table.addresses, row * 8 + place);
    const ends = `${address(0)}:${table.localPort[row]} -> ${address(4)}:${table.remotePort[row]}`;
    const state = stateWord(table.state[row]!);
    const pids: number[] = [];
    for (let at = 0; at < (report.holders?.length ?? 0); at++)
      if (report.holders!.socket[at] === id) pids.push(this.#pids.get(report.holders!.process[at]!) ?? 0);
    return {
      id,
      tuple: `${protocolWord(table.protocol[row]!)} ${ends} ${state}`,
      localPort: table.localPort[row]!,
      remotePort: table.remotePort[row]!,
      state,
      sent: table.bytesSent[row]!,
      received: table.bytesReceived[row]!,
      counted: table.counted[row] === 1,
      attempt: table.attempt[row]!,
      ended: removed.has(id),
      pids,
    };
  }

  // This namespace alone: the traffic of the machine's other namespaces does not belong to the test.
  #only(scanner: ProcessScanner): ProcessScanner {
    return {
      scan: () => {
        const scan = scanner.scan();
        return { ...scan, namespaces: scan.namespaces.filter(({ inode }) => inode === this.inode) };
      },
    };
  }
}

/** Runs ip(8). */
export function ip(words: string): string {
  return execFileSync("ip", words.split(" "), { encoding: "utf8" });
}
