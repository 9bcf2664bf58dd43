// Reads what all processes of a namespace share through any one of them.

/** Maximum processes of a namespace to try: more than exit between a scan and a read. */
export const PIDS_TRIED_MAX = 16;

/**
 * Calls `attempt` with one process of a namespace after another until it returns something other than
 * undefined, and returns that: a process may have exited or be inaccessible. Tries our own process first if it
 * is among them, since it needs no privilege. Returns undefined if none of the first `triedMax` succeeds.
 */
export function withAnyPid<Result>(
  pids: readonly number[],
  attempt: (pid: number) => Result | undefined,
  triedMax: number = PIDS_TRIED_MAX,
): Result | undefined {
  const own = pids.includes(process.pid);
  const first = own ? attempt(process.pid) : undefined;
  if (first !== undefined) return first;
  for (let place = 0; place < pids.length && place < triedMax; place++) {
    const pid = pids[place]!;
    if (own && pid === process.pid) continue;
    const result = attempt(pid);
    if (result !== undefined) return result;
  }
  return undefined;
}
