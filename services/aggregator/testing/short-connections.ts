// A load that counts itself: two nodes whose pods open short connections to each other, as their agents report
// them. Each node's reports have its own ends only, at its own times.

import { Random } from "../../../test/simulation/random.ts";
import type { TestReport, TestSocket } from "./reports.ts";
import { TestAgent } from "./reports.ts";

/** Share of connections that come and go between two reports. */
const AT_ONCE = 0.3;
/** Reports that a longer connection is open for at most, and that its first closer stays in TIME_WAIT. */
const OPEN_REPORTS_MAX = 20;
const TIME_WAIT_REPORTS = 15;
const SERVER_PORT = 8080;
const CLIENT_PORT_MIN = 20_000;
const CLIENT_PORTS = 40_000;

/** One end of a connection on its node. */
interface End {
  readonly socket: TestSocket;
  /** Numbers of the reports that have it first, in TIME_WAIT (Infinity where it never is), and no longer. */
  readonly opens: number;
  readonly waits: number;
  readonly ends: number;
}

/** One node: its agent, and the ends that it has or will have. */
class LoadedNode {
  readonly agent: TestAgent;
  readonly #number: number;
  #id = 1;
  #reports = 0;
  #ends: End[] = [];
  #known = new Set<End>();

  constructor(number: number) {
    this.#number = number;
    this.agent = new TestAgent(`n${number}`);
  }

  /** Number of the next report. */
  get reports(): number {
    return this.#reports;
  }

  get address(): string {
    return `10.0.${this.#number}.1`;
  }

  get isIdle(): boolean {
    return this.#ends.length === 0;
  }

  add(local: string, remote: string, times: Omit<End, "socket">): void {
    const id = ++this.#id;
    const bytes = [id % 1000, 100] as const;
    this.#ends.push({
      socket: { id, namespace: 1, local, remote, bytes, cookie: id, holders: [1] },
      ...times,
    });
  }

  /** The next report, `elapsedMs` after the load's start. */
  next(elapsedMs: number, keyframe: boolean): Uint8Array {
    const now = this.#reports++;
    const [sockets, changes, removed] = [[], [], []] as [
      TestSocket[],
      TestReport["changes"] & object[],
      number[],
    ];
    if (keyframe)
      sockets.push({ id: 1, namespace: 1, local: `*:${SERVER_PORT}`, state: "LISTEN", holders: [1] });
    for (const end of this.#ends) {
      const { socket, opens, waits, ends } = end;
      if (opens > now) continue;
      const isKnown = this.#known.has(end);
      const row: TestSocket = now >= waits ? { ...socket, state: "TIME_WAIT", inode: 0 } : socket;
      if (ends <= now) {
        if (!isKnown) sockets.push({ ...row, state: "CLOSE" });
        removed.push(socket.id);
        this.#known.delete(end);
      } else {
        if (keyframe || !isKnown) sockets.push(row);
        else if (now === waits)
          changes.push({ id: socket.id, state: "TIME_WAIT", inode: 0, bytes: socket.bytes });
        this.#known.add(end);
      }
    }
    this.#ends = this.#ends.filter(({ ends }) => ends > now);
    // encode() adds a second; reports of a load come faster.
    this.agent.ticks = Math.round(elapsedMs / 10) - 100;
    const described = {
      namespaces: [{ id: 1, inode: 4_026_532_000 + this.#number, podUid: `pod-${this.#number}` }],
      processes: [{ id: 1, pid: 7, startTicks: 1, name: "app" }],
    };
    return this.agent.encode({
      keyframe,
      sockets,
      changes,
      removed,
      coverage: { intervalMs: 100 },
      ...(keyframe ? described : {}),
    });
  }
}

/** The load. */
export class ShortConnections {
  readonly nodes: readonly LoadedNode[] = [new LoadedNode(0), new LoadedNode(1)];
  /** Connections that were opened, by the number of the client's node. */
  readonly opened: number[] = [0, 0];
  readonly #random: Random;

  constructor(seed: number) {
    this.#random = new Random(seed);
  }

  /** Opens a connection from one node to the other. */
  open(from: number): void {
    const random = this.#random;
    const [client, server] = [this.nodes[from]!, this.nodes[1 - from]!];
    const number = this.opened[from]!++;
    const own = `${client.address}:${CLIENT_PORT_MIN + (number % CLIENT_PORTS)}`;
    const served = `${server.address}:${SERVER_PORT}`;
    const reports = random.chance(AT_ONCE) ? 0 : 1 + random.below(OPEN_REPORTS_MAX);
    const clientCloses = random.chance(0.5);
    const times = (node: LoadedNode, closesFirst: boolean): Omit<End, "socket"> => {
      const opens = node.reports;
      const closes = opens + reports;
      const waits = closesFirst && reports > 0 ? closes : Infinity;
      return { opens, waits, ends: waits === Infinity ? closes : closes + TIME_WAIT_REPORTS };
    };
    client.add(own, served, times(client, clientCloses));
    server.add(served, own, times(server, !clientCloses));
  }
}
