// The load of the soak: two pods that open short connections through a Service to two others, and count them.
// It is paused while figures are compared, so that they can be compared exactly.

import { connectionsOf, edgesOf, wholeCoverage } from "../../test/e2e/answer.ts";
import { apply, kubectl } from "../../test/e2e/command.ts";
import { eventually } from "../../lib/testing/eventually.ts";
import type { Connection } from "../../test/e2e/answer.ts";
import type { Calls } from "../../test/e2e/workload.ts";
import { caller, client, pod, ready, server, service } from "../../test/e2e/workload.ts";
import type { Figures } from "./figures.ts";

/** Connections that one client holds open all the time. */
const HELD = 5;
/** Milliseconds that a server takes to answer. */
const ANSWER_MS = 5;

/** Clients by how their connections end. */
const callers = ["fin", "rst"] as const;
const servers = ["web-a", "web-b"] as const;

/** The load. */
export class Load {
  readonly #namespace: string;
  #pauses = 1;

  private constructor(namespace: string) {
    this.#namespace = namespace;
  }

  /** Starts its pods, on two nodes if there are as many; the load is paused. */
  static async start(
    namespace: string,
    nodes: readonly string[],
    perSecond: Calls["perSecond"],
  ): Promise<Load> {
    const [near = "", far = near] = [nodes[0], nodes.at(-1)];
    const web = { app: "web" };
    const calls = (ends: Calls["ends"]): Calls => ({ host: "web", port: 80, perSecond, ends });
    const serve = server("web", 8080, { briefMs: ANSWER_MS });
    await apply([
      { apiVersion: "v1", kind: "Namespace", metadata: { name: namespace } },
      pod(namespace, "web-a", { node: near, labels: web }, serve),
      pod(namespace, "web-b", { node: far, labels: web }, serve),
      pod(namespace, "held-web", { node: far }, server("web", 8080)),
      service(namespace, "web", 80, { ports: [{ port: 80, targetPort: 8080 }] }),
    ]);
    await ready(namespace, ...servers, "held-web");
    await apply([
      pod(namespace, "fin", { node: near }, caller("fin", calls("fin"))),
      pod(namespace, "rst", { node: far }, caller("rst", calls("rst"))),
      service(namespace, "held-web", 8080),
      pod(namespace, "held", { node: near }, client("held", { host: "held-web", port: 8080, count: HELD })),
    ]);
    await ready(namespace, ...callers, "held");
    return new Load(namespace);
  }

  /** Resumes it. */
  async resume(): Promise<void> {
    await this.#signal();
  }

  /** Pauses it; returns once no connection is open any more. */
  async pause(): Promise<void> {
    await this.#signal();
    for (const name of callers)
      await eventually(60_000, async () => {
        const pauses = (await this.#lines(name)).filter(({ event }) => event === "paused").length;
        if (pauses < this.#pauses) throw new Error(`${name} is not paused yet`);
      });
    this.#pauses++;
  }

  /**
   * What was made, and what the answers show of it; of connections since `sinceMs`, which ends they lack.
   * Only meaningful while it is paused.
   */
  async figures(sinceMs: number): Promise<Figures> {
    let [made, shown, open] = [0, 0, 0];
    const edges = await edgesOf(this.#namespace, "--protocol", "tcp");
    for (const name of callers) {
      made += (await this.#lines(name)).at(-1)!.made;
      for (const edge of edges) if (edge.client.workload?.name === name) shown += edge.connections;
    }
    for (const edge of edges) if (edge.client.workload?.name === "held") open += edge.open ?? 0;
    const { pods = [], countedSince = "" } = await wholeCoverage();
    const unseenEnds = pods.reduce((sum, { namespace, pod: name = "", unseen }) => {
      const counts = namespace === this.#namespace && [...callers, ...servers].some((each) => each === name);
      return sum + (counts ? unseen : 0);
    }, 0);
    const recent = (await connectionsOf(this.#namespace, "--protocol", "tcp")).filter(
      ({ client: { pod: name }, firstSeen = "" }) => name !== "held" && Date.parse(firstSeen) >= sinceMs,
    );
    const shownEnds = recent.reduce((sum, { evidence = [] }) => sum + endsIn(evidence), 0);
    return {
      made,
      shown,
      lostExamples: await this.#lostAmong(recent),
      unseenEnds,
      countedSinceMs: Date.parse(countedSince),
      missingEnds: recent.length * 2 - shownEnds,
      heldRight: open === HELD,
    };
  }

  // Connections since the pause before that are not among those which are shown.
  async #lostAmong(shown: readonly Connection[]): Promise<string[]> {
    const lost: string[] = [];
    for (const name of callers) {
      const found = new Map<number, number>();
      for (const { client: from } of shown)
        if (from.pod === name && from.port !== undefined)
          found.set(from.port, (found.get(from.port) ?? 0) + 1);
      for (const port of (await this.#lines(name)).at(-1)!.ports) {
        const left = (found.get(port) ?? 0) - 1;
        found.set(port, left);
        if (left < 0) lost.push(`${name}:${port}`);
      }
    }
    return lost;
  }

  async #signal(): Promise<void> {
    const script = 'process.kill(1, "SIGUSR2")';
    for (const name of callers)
      await kubectl("exec", "-n", this.#namespace, name, "--", "/nodejs/bin/node", "-e", script);
  }

  async #lines(name: string): Promise<{ event: string; made: number; ports: readonly number[] }[]> {
    const log = await kubectl("logs", "-n", this.#namespace, name);
    return log
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { event: string; made: number; ports: readonly number[] });
  }
}

function endsIn(evidence: readonly string[]): number {
  return evidence.filter((witness) => witness === "client-socket" || witness === "server-socket").length;
}
