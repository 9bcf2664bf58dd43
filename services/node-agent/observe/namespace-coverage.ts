// What a pass tells of each network namespace beside its sockets: whether it was read, how its destroyed
// sockets are heard of, and its account of completeness.

import { NamespaceCoverage } from "../../../lib/gen/whotalks/v1/report.ts";
import { destroyedMode } from "../../../lib/vocabulary/destroyed-modes.ts";
import type { NamespaceReading } from "../observation.ts";
import type { CompletenessAccount } from "./completeness.ts";
import type { IdentifiedNamespace } from "../ids/namespace-ids.ts";

/** How the reading of each namespace went, by its id, and how long it took. */
export type Readings = Map<number, { readonly reading: NamespaceReading; readonly micros: number }>;

/** What namespaces' coverage rests on. */
interface NamespaceFindings {
  readonly readings: Readings;
  readonly account: CompletenessAccount;
  /** What the pass before told, by id. */
  readonly before: ReadonlyMap<number, NamespaceCoverage>;
  /** Whether the destroyed sockets of the namespace with this inode are heard of. */
  readonly hears: (inode: number) => boolean;
}

/** The coverage of each namespace by its id; where nothing changed it is the object of the pass before. */
export function coverNamespaces(
  namespaces: readonly IdentifiedNamespace[],
  { readings, account, before: allBefore, hears }: NamespaceFindings,
): Map<number, NamespaceCoverage> {
  const covered = new Map<number, NamespaceCoverage>();
  for (const { namespace, gone } of namespaces) {
    const { id, inode } = namespace;
    const told = readings.get(id);
    const before = allBefore.get(id);
    // One that is gone is named for what was heard of it, and what was heard of it is all that there was.
    const heard = gone ? before?.destroyed !== "time-wait" : hears(inode);
    const read = gone ? (before?.read ?? true) : told?.reading.read === true;
    const now = NamespaceCoverage.create({
      namespace: id,
      read,
      ...figuresOf(account, id),
      destroyed: destroyedMode(heard, read),
      readMicros: Math.round(told?.micros ?? 0),
    });
    covered.set(id, before !== undefined && saysTheSame(before, now) ? before : now);
  }
  return covered;
}

/**
 * The coverage of each namespace with its account's figures of now; where they did not change it is the same
 * object.
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

// What reading cost differs each time, and alone is no news.
function saysTheSame(a: NamespaceCoverage, b: NamespaceCoverage): boolean {
  return (Object.keys(a) as (keyof NamespaceCoverage)[]).every(
    (field) => field === "readMicros" || a[field] === b[field],
  );
}
