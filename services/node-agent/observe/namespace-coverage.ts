// What a pass reports of each network namespace besides its sockets: whether it was read, how its destroyed
// sockets are reported, and its account of completeness.

import { NamespaceCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { destroyedMode } from "../../../lib/vocabulary/destroyed-modes.ts";
import type { NamespaceReading } from "../observation.ts";
import type { CompletenessAccount } from "./completeness.ts";
import type { IdentifiedNamespace } from "../ids/namespace-ids.ts";

/** The result and duration of reading each namespace, by its id. */
export type Readings = Map<number, { readonly reading: NamespaceReading; readonly micros: number }>;

/** What the coverage of namespaces is computed from. */
interface NamespaceFindings {
  readonly readings: Readings;
  readonly account: CompletenessAccount;
  /** The coverage of the previous pass, by id. */
  readonly before: ReadonlyMap<number, NamespaceCoverage>;
  /** Whether destroyed sockets of the namespace with this inode are reported. */
  readonly hears: (inode: number) => boolean;
}

/** Returns the coverage of each namespace by its id; unchanged ones are the objects of the previous pass. */
export function coverNamespaces(
  namespaces: readonly IdentifiedNamespace[],
  { readings, account, before: allBefore, hears }: NamespaceFindings,
): Map<number, NamespaceCoverage> {
  const covered = new Map<number, NamespaceCoverage>();
  for (const { namespace, gone } of namespaces) {
    const { id, inode } = namespace;
    const timed = readings.get(id);
    const before = allBefore.get(id);
    // A namespace that is gone is listed because of its events, and these are all that happened in it.
    const heard = gone ? before?.destroyed !== "time-wait" : hears(inode);
    const read = gone ? (before?.read ?? true) : timed?.reading.read === true;
    const now = NamespaceCoverage.create({
      namespace: id,
      read,
      ...figuresOf(account, id),
      destroyed: destroyedMode(heard, read),
      readMicros: Math.round(timed?.micros ?? 0),
    });
    covered.set(id, before !== undefined && saysTheSame(before, now) ? before : now);
  }
  return covered;
}

/**
 * Returns the coverage of each namespace with the current figures of its account; unchanged ones are the same
 * objects.
 */
export function withFigures(
  covered: ReadonlyMap<number, NamespaceCoverage>,
  account: CompletenessAccount,
): Map<number, NamespaceCoverage> {
  return new Map(
    [...covered].map(([id, before]) => {
      const now = { ...before, ...figuresOf(account, id) };
      return [id, saysTheSame(before, now) ? before : now];
    }),
  );
}

function figuresOf(account: CompletenessAccount, namespaceId: number) {
  const counts = account.of(namespaceId);
  return {
    since: counts?.since ?? 0,
    openedByKernel: counts?.opened ?? 0,
    failedByKernel: counts?.failed ?? 0,
    seen: counts?.seen ?? 0,
    unseen: counts?.unseen ?? 0,
    kernelOpens: counts?.kernelOpens ?? 0,
  };
}

// The cost of reading differs each time; alone it counts as no change.
function saysTheSame(a: NamespaceCoverage, b: NamespaceCoverage): boolean {
  return (Object.keys(a) as (keyof NamespaceCoverage)[]).every(
    (field) => field === "readMicros" || a[field] === b[field],
  );
}
