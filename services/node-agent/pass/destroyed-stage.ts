// Takes the sockets whose end the kernel announced since the previous pass, and merges them with the sockets
// of a pass.

import { ticksOf } from "../../../lib/ticks.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import type { AgentParts } from "../agent-parts.ts";
import { DestroyedTable } from "../destroyed/destroyed-table.ts";
import type { IdPool } from "../ids/id-pool.ts";
import type { IdentifiedNamespace } from "../ids/namespace-ids.ts";
import type { ProcessScan } from "../observation.ts";
import { DestroyedEnds } from "../observe/destroyed-ends.ts";
import type { MergedEnds } from "../observe/merge-destroyed.ts";

/** What a pass merges with. */
interface DestroyedInput {
  readonly namespaceIds: ReadonlyMap<number, number>;
  readonly previous: SocketTable;
  readonly next: SocketTable;
  readonly continued: Uint8Array | null;
  readonly added: ReadonlySet<number>;
  readonly ticks: number;
  /** Whether records without a loss report the TCP sockets of every namespace. */
  readonly hearsTcp: boolean;
  /** Whether that is so from the beginning of a namespace that this pass finds for the first time. */
  readonly hearsFromStart: (namespace: IdentifiedNamespace) => boolean;
  readonly namespaces: readonly IdentifiedNamespace[];
}

const NOTHING = new DestroyedTable(1);

/** Announcements from pass to pass. */
export class DestroyedStage {
  readonly #parts: Pick<AgentParts, "destroyed" | "elapsedMs">;
  readonly #ends: DestroyedEnds;
  #isFirst = true;
  #events = NOTHING;
  #takingTicks = 0;
  // When the previous announcements were taken, how many were lost by then, and which namespaces were
  // listened to.
  #takenTicks = 0;
  #overrunsBefore = 0;
  #heardBefore: ReadonlySet<number> = new Set();

  constructor(parts: Pick<AgentParts, "destroyed" | "elapsedMs">, ids: IdPool) {
    this.#parts = parts;
    this.#ends = new DestroyedEnds(ids);
  }

  /**
   * Takes what was announced. Called before the tables are read: what is destroyed from now on is still in
   * them, or its TIME_WAIT entry is. What was destroyed before the first pass, or while it begins, is not the
   * agent's to count.
   */
  take(scan: ProcessScan): DestroyedTable {
    const { destroyed = null, elapsedMs } = this.#parts;
    destroyed?.refresh(scan);
    this.#takingTicks = ticksOf(elapsedMs());
    const events = destroyed?.take() ?? NOTHING;
    this.#events = this.#isFirst ? NOTHING : events;
    return this.#events;
  }

  /** Whether nothing was announced or lost since the previous pass. */
  get isQuiet(): boolean {
    return this.#events.length === 0 && (this.#parts.destroyed?.overruns ?? 0) === this.#overrunsBefore;
  }

  /** Ends a pass that read nothing. */
  skip(): void {
    this.#takenTicks = this.#takingTicks;
  }

  /** Merges what was taken; rows of `next` whose sockets were destroyed get their last figures in place. */
  merge({ namespaces, hearsTcp, hearsFromStart, ...input }: DestroyedInput): MergedEnds {
    const { destroyed = null } = this.#parts;
    const overruns = destroyed?.overruns ?? 0;
    const fromStart = idsOf(namespaces.filter((each) => hearsFromStart(each)));
    const merged = this.#ends.merge({
      ...input,
      events: this.#events,
      heard: (namespaceId) => this.#heardBefore.has(namespaceId) || fromStart.has(namespaceId),
      lostSinceTicks: overruns > this.#overrunsBefore ? this.#takenTicks : null,
    });
    const isHeard = (inode: number): boolean => hearsTcp || destroyed?.hears(inode) === true;
    this.#heardBefore = idsOf(namespaces.filter(({ namespace, gone }) => !gone && isHeard(namespace.inode)));
    this.#overrunsBefore = overruns;
    this.#takenTicks = this.#takingTicks;
    this.#isFirst = false;
    return merged;
  }
}

function idsOf(namespaces: readonly IdentifiedNamespace[]): ReadonlySet<number> {
  return new Set(namespaces.map(({ namespace }) => namespace.id));
}
