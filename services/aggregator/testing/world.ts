// A cluster of test agents and an aggregator, on a clock that only tests advance.

import type { Connection } from "../../../lib/gen/whotalks/v1/query.ts";
import { Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { TICK_MS } from "../../../lib/ticks.ts";
import type { Identity } from "../identity/identity.ts";
import type { Aggregator, AggregatorOptions } from "../aggregator.ts";
import { createAggregator } from "../aggregator.ts";
import type { TestReport } from "./reports.ts";
import { TestAgent } from "./reports.ts";

/** Start time of a world. */
export const START_MS = 1_700_000_100_000;

/** Agents and an aggregator; each report advances the clock by a second. */
export class World {
  nowMs = START_MS;
  readonly aggregator: Aggregator;
  readonly #agents = new Map<string, TestAgent>();

  constructor(identity?: Identity, options: Partial<AggregatorOptions> = {}) {
    this.aggregator = createAggregator({
      ...(identity === undefined ? {} : { identity }),
      now: () => this.nowMs,
      ...options,
    });
  }

  agent(name = "a"): TestAgent {
    const known = this.#agents.get(name);
    if (known !== undefined) return known;
    const agent = new TestAgent(name);
    this.#agents.set(name, agent);
    return agent;
  }

  /** Sends a report from an agent. */
  report(content: TestReport, name = "a"): this {
    const bytes = this.agent(name).encode(content);
    this.#age(1000, name);
    return this.send(bytes);
  }

  /** Sends bytes, which waited in their agent. */
  send(bytes: Uint8Array, waitedMs = 0): this {
    this.nowMs += 1000;
    this.aggregator.ingest(bytes, this.nowMs - waitedMs);
    this.aggregator.tick(this.nowMs);
    return this;
  }

  /** Advances the clock. */
  wait(ms: number): this {
    this.#age(ms, "");
    this.nowMs += ms;
    this.aggregator.tick(this.nowMs);
    return this;
  }

  // Time passes on all nodes alike.
  #age(ms: number, except: string): void {
    for (const [name, agent] of this.#agents) if (name !== except) agent.ticks += ms / TICK_MS;
  }

  /** The connections that match a filter; anonymous ones are included by default. */
  connections(filter: Partial<Filter> = {}): Connection[] {
    return [
      ...this.aggregator.query.connections(Filter.fromPartial({ includeAnonymous: true, ...filter }), 10_000)
        .items,
    ];
  }

  /**
   * One line per connection: client -> server, protocol, initials of the evidence, the dialled address, path,
   * direction.
   */
  lines(filter: Partial<Filter> = {}): string[] {
    return this.connections(filter).map(describe);
  }
}

function describe(connection: Connection): string {
  const { client, server, protocol, evidence, closed, directionBy, via, unixPath } = connection;
  const end = (each: typeof client): string => {
    const name = each?.process?.name ?? each?.kind ?? "";
    return protocol === "unix" ? name : `${name} ${each?.ip}:${each?.port}`;
  };
  const sides = evidence.map((word) => word[0]).join("");
  const dialled = via === undefined ? "" : ` via ${via.ip}:${via.port}`;
  const path = unixPath === "" ? "" : ` ${unixPath}`;
  return `${end(client)} -> ${end(server)} ${protocol} ${sides}${dialled}${path} ${directionBy}${closed ? " closed" : ""}`;
}
