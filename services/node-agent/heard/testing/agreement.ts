// What the reports say of TCP sockets against what the kernel says, and against what the sockets did.

import assert from "node:assert/strict";

import { until } from "../../../../lib/testing/eventually.ts";
import { Attempt } from "../../../../lib/vocabulary/outcomes.ts";
import type { EndedSocket, FoldedReports } from "../../testing/folded-reports.ts";
import type { FoldedSocket } from "../../testing/socket-of-row.ts";
import { kernelHolders, kernelSockets } from "./kernel-sockets.ts";
import type { End, Workload } from "./workload.ts";

/** Far longer than hearing takes on a busy machine: it is over as soon as there is agreement. */
const AGREEMENT_MS = 10_000;

// Entries in TIME_WAIT are no longer sockets, and half-open connections are not sockets yet.
const isCompared = ({ isTimeWait, state }: FoldedSocket): boolean => !isTimeWait && state !== "SYN_RECV";
const isAttempt = ({ state }: FoldedSocket): boolean => state === "SYN_SENT";

/** "local remote". */
export const tupleOf = ({ local, remote }: FoldedSocket): string => `${local} ${remote}`;

const identityOf = (socket: FoldedSocket): string => `${tupleOf(socket)} ${socket.state} ${socket.cookie}`;

const portOf = ({ local }: FoldedSocket): string => local.slice(local.lastIndexOf(":"));

function identitiesOf(
  sockets: Iterable<FoldedSocket>,
  includes: (socket: FoldedSocket) => boolean,
): string[] {
  return [...sockets]
    .filter((socket) => isCompared(socket) && includes(socket))
    .map((socket) => identityOf(socket))
    .toSorted();
}

/** What the reports have of TCP sockets, and what the kernel has, each socket once and in the same order. */
export interface TwoTables {
  readonly reported: readonly string[];
  readonly kernel: readonly string[];
}

/**
 * Both tables now. An attempt to connect is in the reports from a pass on: with `passed` all must be, else
 * those of the reports must be the kernel's.
 */
function twoTables(folded: FoldedReports, passed: boolean): TwoTables {
  const sockets = kernelSockets();
  const reported = identitiesOf(folded.sockets.values(), () => true);
  const known = new Set(reported);
  const kernel = identitiesOf(
    sockets,
    (socket) => passed || !isAttempt(socket) || known.has(identityOf(socket)),
  );
  return { reported, kernel };
}

/** Waits until both tables agree; returns the last ones where they never do. */
export async function differingTables(folded: FoldedReports, passed: boolean): Promise<TwoTables | null> {
  let last: TwoTables | null = null;
  await until(
    "the reports agree with the kernel",
    () => {
      last = twoTables(folded, passed);
      return String(last.reported) === String(last.kernel);
    },
    AGREEMENT_MS,
  ).then(
    () => (last = null),
    () => undefined,
  );
  return last;
}

/**
 * Waits until the holders agree: after a pass of every socket that a file refers to; else of those that one
 * process holds, unless a descriptor changed hands or several listeners have its port.
 */
export async function agreeOnHolders(
  folded: FoldedReports,
  workload: Workload,
  passed: boolean,
): Promise<void> {
  if (workload.isBlurred && !passed) return;
  const open = [...workload.ends.values()].filter(({ isClosed }) => !isClosed);
  const ends = new Map(open.map((end) => [end.tuple, end]));
  let differing: readonly [socket: string, reported: readonly string[], kernel: readonly string[]] | null;
  const areEqual = (): boolean => {
    differing = null;
    const sockets = kernelSockets();
    const holders = kernelHolders();
    const reported = new Map([...folded.sockets.values()].map((socket) => [identityOf(socket), socket]));
    const listeners = Map.groupBy(
      sockets.filter(({ state }) => state === "LISTEN"),
      (socket) => portOf(socket),
    );
    for (const socket of sockets) {
      const known = reported.get(identityOf(socket));
      const holding = holders.get(socket.inode) ?? [];
      if (known === undefined || !isCompared(socket) || holding.length === 0) continue;
      const end = ends.get(tupleOf(socket));
      // Two listeners may have got one port by chance; when one of them is gone, that is not known of what
      // came before.
      if (end !== undefined && (listeners.get(portOf(socket))?.length ?? 0) > 1) end.isAmbiguous = true;
      const isUncertain =
        end?.isAmbiguous === true || workload.moved.has(tupleOf(socket)) || holding.length > 1;
      if (!passed && isUncertain) continue;
      const expected = holding.map(({ pid, name }) => `${pid} ${name}`).toSorted();
      const found = [...new Set(folded.heldBy(known).map(({ pid, name }) => `${pid} ${name}`))].toSorted();
      if (String(found) !== String(expected)) differing ??= [identityOf(socket), found, expected];
    }
    return differing === null;
  };
  await until("the holders agree", areEqual, AGREEMENT_MS).catch(() =>
    assert.deepEqual(differing![1], differing![2], differing![0]),
  );
}

/**
 * What became of everything that was opened, now that it is over: each connection once, with what it sent and
 * received, and each attempt with who made it. Cookies of `beforehand` are of sockets that were over at
 * first; of the tuples of `missed` no bytes are known.
 */
export function agreeOnEnds(
  folded: FoldedReports,
  workload: Workload,
  { beforehand, missed }: { beforehand: ReadonlySet<number>; missed: ReadonlySet<string> },
): void {
  const left = [...folded.sockets.values()].map((socket) => ({ ...socket, heldBy: folded.heldBy(socket) }));
  const over = [...folded.ended, ...left].filter(
    ({ remote, cookie }) => !isListeners(remote) && !beforehand.has(cookie),
  );
  const attempts = over.filter(({ attempt }) => attempt !== Attempt.none);
  const actors = new Set(workload.actors.map(({ pid }) => pid));
  const failed = Map.groupBy(attempts, (attempt) => failureOf(attempt, actors));
  const failures = [...workload.failed].map(([key, count]) => `${key}: ${count}`).toSorted();
  assert.deepEqual(countsOf(failed), failures);

  const found = Map.groupBy(
    over.filter(({ attempt }) => attempt === Attempt.none),
    (socket) => tupleOf(socket),
  );
  const expected = Map.groupBy(
    [...workload.ends.values()].filter(({ isUnheard }) => !isUnheard),
    ({ tuple }) => tuple,
  );
  assert.deepEqual(countsOf(found), countsOf(expected));
  for (const [tuple, ends] of expected) {
    if (missed.has(tuple) || matches(ends, found.get(tuple)!)) continue;
    const figures = ends.map(({ sent, received, isCutOff, actor }) => [sent, received, isCutOff, actor.pid]);
    assert.fail(
      `${tuple}: ${JSON.stringify(found.get(tuple))} reported, ${JSON.stringify(figures)} expected`,
    );
  }
}

function countsOf(groups: ReadonlyMap<string, readonly unknown[]>): string[] {
  return [...groups].map(([key, { length }]) => `${key}: ${length}`).toSorted();
}

function isListeners(remote: string): boolean {
  return remote.endsWith(":0");
}

// "pid refused", as the workload counts it. A process that an actor was just forking had its descriptors too.
function failureOf({ attempt, heldBy }: EndedSocket, actors: ReadonlySet<number>): string {
  const pids = new Set(heldBy.map(({ pid }) => pid).filter((pid) => actors.has(pid)));
  return `${[...pids].join("+")} ${attempt === Attempt.refused ? "refused" : "unanswered"}`;
}

// Whether each end has a socket of its own: a tuple that was used again has several.
function matches(ends: readonly End[], sockets: readonly EndedSocket[]): boolean {
  const [end, ...rest] = ends;
  if (end === undefined) return true;
  return sockets.some(
    (socket) =>
      isAsExpected(end, socket) &&
      matches(
        rest,
        sockets.filter((other) => other !== socket),
      ),
  );
}

function isAsExpected(end: End, { counted, sent, received, heldBy }: EndedSocket): boolean {
  if (!counted) return false;
  // Who connects is always known; who accepts is, but for several listeners of a port.
  const isConnecting = end.name.startsWith("c");
  if (isConnecting && !end.wasShared && heldBy.every(({ pid }) => pid !== end.actor.pid)) return false;
  if (end.isUncounted) return end.isCutOff || (sent >= end.sent && received >= end.received);
  // What had not been acknowledged when the connection was reset does not count as sent.
  return received === end.received && (end.isCutOff ? sent <= end.sent : sent === end.sent);
}
