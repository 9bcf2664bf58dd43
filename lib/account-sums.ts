// Figures of accounts, added up: what kernels counted as opened, against the ends of TCP connections that
// were seen.

/** Connection ends that the kernel opened, failed attempts among them, and what was seen of them. */
export interface AccountSums {
  /** Ends that the kernel counted, plus ends that events showed to open since its counters were read. */
  readonly opened: number;
  readonly failed: number;
  readonly seen: number;
  readonly unseen: number;
}

export const NO_SUMS: AccountSums = { opened: 0, failed: 0, seen: 0, unseen: 0 };

/** Adds two accounts. */
export function addSums(a: AccountSums, b: AccountSums): AccountSums {
  return {
    opened: a.opened + b.opened,
    failed: a.failed + b.failed,
    seen: a.seen + b.seen,
    unseen: a.unseen + b.unseen,
  };
}

/** The figures of a node's or a namespace's coverage, as its agent reports them. */
export function reportedSums(coverage: {
  readonly openedByKernel: number;
  readonly failedByKernel: number;
  readonly seen: number;
  readonly unseen: number;
}): AccountSums {
  const { openedByKernel: opened, failedByKernel: failed, seen, unseen } = coverage;
  return { opened, failed, seen, unseen };
}
