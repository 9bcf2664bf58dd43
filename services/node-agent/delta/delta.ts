// What changed between two observations of a node: the content of a report before it is split and encoded.

import type {
  FamilySocket,
  NamespaceCoverage,
  NetworkNamespace,
  NodeCoverage,
  ProcessInfo,
} from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import type { EndedSockets, Observation } from "../observation.ts";

/** Everything that makes one observation out of another. A keyframe is the delta from nothing. */
export interface Delta {
  /** When the later observation ended, in ticks since the epoch's start. */
  readonly ticks: number;
  /** New or changed ones. */
  readonly namespaces: readonly NetworkNamespace[];
  readonly namespacesRemoved: readonly number[];
  /** New or changed ones. */
  readonly processes: readonly ProcessInfo[];
  readonly processesRemoved: readonly number[];
  /** New sockets, and such as came and went. */
  readonly sockets: SocketTable;
  /** Known sockets with what may change of them: id and the columns of `changingSocketColumns`. */
  readonly changes: SocketTable;
  /** Ids of sockets of every family that are gone. */
  readonly socketsRemoved: readonly number[];
  /** New or changed ones. */
  readonly familySockets: readonly FamilySocket[];
  /**
   * All holders of new sockets, in the order of `sockets` and `familySockets`, then of those whose holders
   * changed.
   */
  readonly holders: HolderTable;
  /** Ids of sockets that nobody holds any more. */
  readonly holdersCleared: readonly number[];
  readonly coverage: NodeCoverage;
  /** New or changed ones. */
  readonly namespaceCoverage: readonly NamespaceCoverage[];
  /** How many of `sockets` are in `socketsRemoved` too: they came and went, each at a time of its own. */
  readonly ended: number;
}

/** Where no socket ended. */
export const nothingEnded: EndedSockets = {
  sockets: new SocketTable(1),
  holders: new HolderTable(1),
  finals: new SocketTable(1),
};

/** An observation of nothing: what a keyframe starts from. */
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
