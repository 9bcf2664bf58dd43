// The aggregator on one screen. Reports take the data's way from top to bottom:
//
//   ingest (bytes, in turn) → join (sockets → connections) → settle (direction, edges, watchers) → store ← query ← serve
//
// Everything is synchronous and in one thread: a report is applied as a whole before a query sees anything of it, and
// what it left dirty is settled by then: by the query, the next tick, or at once where someone watches.

import { performance } from "node:perf_hooks";

import type { ReportHandler } from "../../lib/bus.ts";
import { EmbeddedIdentity } from "./identify/embedded-identity.ts";
import type { Identity } from "./identify/identity.ts";
import type { IngestCounts, ReportListener } from "./ingest/ingest.ts";
import { Ingest } from "./ingest/ingest.ts";
import { Joiner } from "./join/joiner.ts";
import { Settler } from "./join/settler.ts";
import { Sweeper } from "./join/sweeper.ts";
import type { ClusterCoverage } from "./query/coverage.ts";
import { Query } from "./query/query.ts";
import { Tables } from "./store/tables.ts";

/** How the aggregator is set up. Times in milliseconds. */
export interface AggregatorOptions {
  /** Who is who. */
  readonly identity: Identity;
  /** The stream's clock, milliseconds since 1970. */
  readonly now: () => number;
  /** How long a connection that has ended stays visible; 60 s unless told. */
  readonly closedKeepMs?: number;
  /** Silence after which a node's connections end; 60 s unless told. */
  readonly nodeLostMs?: number;
  /** Told of each report that was applied: its pods are for whoever knows pods. */
  readonly onReport?: ReportListener;
  /** What the cluster's own objects tell about coverage. */
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
  /** Accounts of namespaces that are gone that were given up early. */
  readonly accountsOverflowed: number;
  readonly ambiguousEnds: number;
  readonly rowsRejected: number;
  /** Milliseconds spent on taking reports, since start. */
  readonly ingestMs: number;
}

/** A running aggregator. */
export interface Aggregator {
  /** Takes a report as the bus brings it. Never throws on what arrives. */
  readonly ingest: ReportHandler;
  readonly query: Query;
  /** Does what time makes due; call it about once a second. */
  tick(nowMs: number): void;
  counts(): AggregatorCounts;
  /** Ends every watch. */
  close(): void;
}

/** Puts an aggregator together. */
export function createAggregator(options: AggregatorOptions): Aggregator {
  const { identity, now, closedKeepMs = 60_000, nodeLostMs = 60_000 } = options;
  const tables = new Tables(identity);
  const joiner = new Joiner(tables);
  const settler = new Settler(tables, joiner);
  const ingest = new Ingest(tables, joiner, settler, options.onReport ?? (() => undefined));
  const sweeper = new Sweeper(tables, joiner, settler, { closedKeepMs, nodeLostMs });
  const query = new Query({
    tables,
    settler,
    sweeper,
    now,
    reportsRejected: () => ingest.counts.rejected,
    clusterCoverage: () => options.clusterCoverage?.() ?? null,
  });
  let ingestMs = 0;

  if (identity instanceof EmbeddedIdentity) {
    identity.attach({
      ownerNode: (words) => {
        const address = tables.addresses.find(words, 0);
        const namespace = address < 0 ? -1 : tables.localAddresses.firstNamespace(address);
        return namespace < 0 ? null : tables.nodes[tables.namespaces.nodeOf(namespace)]!.name;
      },
      get version() {
        return tables.localAddresses.version;
      },
    });
  }

  return {
    ingest: (bytes, timeMs) => {
      const startMs = performance.now();
      ingest.take(bytes, timeMs);
      ingestMs += performance.now() - startMs;
    },
    query,
    tick: (nowMs) => {
      sweeper.sweep(nowMs);
    },
    counts: () => ({
      ...ingest.counts,
      nodes: tables.nodes.length,
      sockets: tables.sockets.size,
      flows: tables.flows.size,
      listeners: tables.listenerCount,
      connections: tables.connections.size,
      endedConnections: tables.connections.ended.size,
      edges: tables.edges.size,
      addresses: tables.addresses.size,
      overflowed: tables.overflowed,
      accountsOverflowed: tables.accounts.overflowed,
      ambiguousEnds: tables.ambiguousEnds,
      rowsRejected: ingest.rowsRejected,
      ingestMs,
    }),
    close: () => {
      query.close();
    },
  };
}
