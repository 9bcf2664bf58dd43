// What changed between two observations of a node: a report's content before it is split and encoded.

import type {
  FamilySocket,
  NamespaceCoverage,
  NetworkNamespace,
  NodeCoverage,
  ProcessInfo,
} from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import type { EndedSockets, HeardChanges, Observation } from "../observation.ts";

/** Everything that turns one observation into another. A keyframe is the delta from nothing. */
export interface Delta {
  /** When the later observation ended, in ticks since the epoch's start. */
  readonly ticks: number;
  /** New or changed namespaces. */
  readonly namespaces: readonly NetworkNamespace[];
  readonly namespacesRemoved: readonly number[];
  /** New or changed processes. */
  readonly processes: readonly ProcessInfo[];
  readonly processesRemoved: readonly number[];
  /** New sockets, including those that opened and closed between the observations. */
  readonly sockets: SocketTable;
  /** Known sockets that changed: their ids and the columns of `changingSocketColumns`. */
  readonly changes: SocketTable;
  /** Ids of closed sockets of every family. */
  readonly socketsRemoved: readonly number[];
  /** New or changed family sockets. */
  readonly familySockets: readonly FamilySocket[];
  /**
   * All holders of new sockets, in the order of `sockets` and `familySockets`, then those of sockets whose
   * holders changed.
   */
  readonly holders: HolderTable;
  /** Ids of sockets that lost their last holder. */
  readonly holdersCleared: readonly number[];
  /** Null if nothing was read, only heard. */
  readonly coverage: NodeCoverage | null;
  /** New or changed coverage of namespaces. */
  readonly namespaceCoverage: readonly NamespaceCoverage[];
  /** How many of `sockets` are in `socketsRemoved` too: they opened and closed. */
  readonly ended: number;
  /** Whether all of `sockets` were first seen at `ticks`. */
  readonly seenNow: boolean;
}

/** The value if no socket ended. */
export const nothingEnded: EndedSockets = {
  sockets: new SocketTable(1),
  holders: new HolderTable(1),
  finals: new SocketTable(1),
};

/** Between two reports nothing was heard. */
export const nothingHeard: HeardChanges = {
  sockets: new SocketTable(1),
  holders: new HolderTable(1),
  changes: new SocketTable(1),
  removed: [],
  ended: 0,
};

/** Returns an observation of nothing: what a keyframe starts from. */
export function emptyObservation(coverage: NodeCoverage): Observation {
  return {
    ticks: 0,
    namespaces: new Map(),
    processes: new Map(),
    sockets: new SocketTable(1),
    familySockets: new Map(),
    holders: new HolderTable(1),
    ended: nothingEnded,
    coverage,
    namespaceCoverage: new Map(),
  };
}

/** The delta of what was heard between two readings. */
export function heardDelta(ticks: number, heard: HeardChanges, processes: readonly ProcessInfo[]): Delta {
  return {
    ticks,
    namespaces: [],
    namespacesRemoved: [],
    processes,
    processesRemoved: [],
    sockets: heard.sockets,
    changes: heard.changes,
    socketsRemoved: heard.removed,
    familySockets: [],
    holders: heard.holders,
    holdersCleared: [],
    coverage: null,
    namespaceCoverage: [],
    ended: heard.ended,
    seenNow: false,
  };
}
