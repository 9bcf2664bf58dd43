// The aggregator on one screen. Reports go from top to bottom:
//
//   ingest   bytes, in turn → rows of sockets and flows in the model
//   match    which ends belong together (an ordered list of rules)
//   settle   what a connection means: direction, life, outcome (facts in, patch out)
//   apply    the one writer of connections and edges; notifies watchers
//   view     the model, to be read only → query → serve
//
// Everything is synchronous and in one thread: a report is applied as a whole before a query sees anything of
// it. What it left to settle is settled by the next query or tick, or at once if someone watches.

import { performance } from "node:perf_hooks";

import type { ReportHandler } from "../../lib/bus.ts";
import { createApply } from "./apply/create-apply.ts";
import { EmbeddedIdentity } from "./identity/embedded-identity.ts";
import type { Identity } from "./identity/identity.ts";
import { ReportApplier } from "./ingest/apply-report.ts";
import type { IngestCounts, ReportListener } from "./ingest/ingest.ts";
import { Ingest } from "./ingest/ingest.ts";
import { Model } from "./model/model.ts";
import type { ClusterCoverage } from "./query/coverage.ts";
import { Query } from "./query/query.ts";
import { View } from "./view/view.ts";

/** Connections that may be queued for settling before they are settled at once. */
const WAITING_MAX = 2 ** 19;

/** Options of the aggregator. Times in milliseconds. */
export interface AggregatorOptions {
  /** Identity of pods and addresses; by default what reports say about this machine. */
  readonly identity?: Identity;
  /** The stream's clock, milliseconds since 1970. */
  readonly now: () => number;
  /** How long a connection that has ended stays visible; 60 s by default. */
  readonly closedKeepMs?: number;
  /** Silence after which a node's connections end; 60 s by default. */
  readonly nodeLostMs?: number;
  /** Called with each report that was applied, for identities that learn from its pods. */
  readonly onReport?: ReportListener;
  /** Whether the cluster has, or had, a node with this name; by default every node is believed. */
  readonly isNode?: (name: string) => boolean;
  /** What the cluster's own objects say about coverage. */
  readonly clusterCoverage?: () => ClusterCoverage | null;
}

/** Sizes and counts, for metrics. */
interface AggregatorCounts extends IngestCounts {
  readonly nodes: number;
  readonly sockets: number;
  readonly flows: number;
  readonly listeners: number;
  readonly connections: number;
  readonly endedConnections: number;
  readonly edges: number;
  readonly addresses: number;
  readonly overflowed: number;
  /** Accounts of deleted namespaces that were dropped early. */
  readonly accountsOverflowed: number;
  readonly ambiguousEnds: number;
  readonly rowsRejected: number;
  /** Milliseconds spent on ingesting reports, since start. */
  readonly ingestMs: number;
}

/** A running aggregator. */
export interface Aggregator {
  /** Ingests a report from the bus. Never throws, whatever the bytes. */
  readonly ingest: ReportHandler;
  readonly query: Query;
  /** Does the periodic work that is due; call it about once a second. */
  tick(nowMs: number): void;
  counts(): AggregatorCounts;
  /** Ends every watch. */
  close(): void;
}

/** Creates an aggregator. */
export function createAggregator(options: AggregatorOptions): Aggregator {
  const { now, closedKeepMs = 60_000, nodeLostMs = 60_000 } = options;
  const model = new Model();
  const identity = options.identity ?? new EmbeddedIdentity(model);
  const apply = createApply(model, identity, { closedKeepMs, nodeLostMs });
  const { settler, upkeep, queue, feed } = apply;

  const applier = new ReportApplier(model, apply);
  const ingest = new Ingest(model, {
    applier,
    // Settling is left to the next tick or query, so that a connection between two nodes is settled once, with
    // both ends, and not twice.
    onApplied: (timeMs) => {
      if (feed.isWatched || queue.size >= WAITING_MAX) settler.settle(timeMs);
    },
    listener: options.onReport ?? (() => undefined),
    isNode: options.isNode ?? (() => true),
    now,
  });

  const peek = (): View => new View(model, identity, now());
  const query = new Query({
    read: () => {
      upkeep.review(now());
      return peek();
    },
    peek,
    subscribe: (listener) => feed.subscribe(listener),
    reportsRejected: () => ingest.counts.rejected,
    strangers: () => ingest.strangers,
    closedKeepMs,
    clusterCoverage: () => options.clusterCoverage?.() ?? null,
  });

  let ingestMs = 0;
  return {
    ingest: (bytes, timeMs) => {
      const startMs = performance.now();
      ingest.take(bytes, timeMs);
      ingestMs += performance.now() - startMs;
    },
    query,
    tick: (nowMs) => {
      ingest.release(nowMs);
      upkeep.sweep(nowMs);
    },
    counts: () => ({
      ...ingest.counts,
      nodes: model.nodes.size,
      sockets: model.sockets.size,
      flows: model.flows.size,
      listeners: apply.sockets.listeners,
      connections: model.connections.size,
      endedConnections: model.connections.ended.size,
      edges: model.edges.size,
      addresses: model.addresses.size,
      overflowed: model.overflow.total,
      accountsOverflowed: model.accounts.overflowed,
      ambiguousEnds: model.sockets.ambiguous,
      rowsRejected: applier.rowsRejected,
      ingestMs,
    }),
    close: () => {
      query.close();
    },
  };
}
