// The pods of this node, those that run and those that ended lately, as reports carry them. Plain state: the
// watch puts pods in, the pipeline takes them out.

import { isDeepStrictEqual } from "node:util";
import type { Pod } from "../../../lib/gen/whotalks/v1/report.ts";
import { ticksOf } from "../../../lib/ticks.ts";
import type { PodSource } from "../agent-parts.ts";
import { readPod } from "./pod-fields.ts";

/** Pods that run or ended lately, at most: a kubelet runs 110 by default, and 500 in the largest clusters. */
export const PODS_MAX = 4096;

/** How long a pod is reported after its end: as long as a replay looks back. */
export const ENDED_KEPT_MS = 15 * 60_000;

interface Entry {
  pod: Pod;
  /** When it ended, by the clock; null while it lives. */
  endedMs: number | null;
  /** Whether the API server has it still. */
  listed: boolean;
}

/** The pods of one node. */
export class PodTable implements PodSource {
  /** Pods that found no place. */
  overflowed = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<string>();
  readonly #elapsedMs: () => number;

  /** `elapsedMs` is the epoch's clock: milliseconds since the agent's start, never going back. */
  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  /** Pods held. */
  get size(): number {
    return this.#entries.size;
  }

  /** Takes a pod in as the API server's JSON has it; false where it makes no sense. */
  put(object: unknown): boolean {
    const read = readPod(object);
    if (read === null) return false;
    const { uid } = read.fields;
    const known = this.#entries.get(uid);
    if (known === undefined) {
      this.#forget();
      if (this.#entries.size >= PODS_MAX) {
        this.overflowed++;
        return true;
      }
    }
    const firstSeen = known?.pod.firstSeen ?? this.#tick();
    // An end is an end: a pod does not come back, whatever a stale list says.
    const ended =
      known !== undefined && known.pod.ended !== 0 ? known.pod.ended : read.finished ? this.#tick() : 0;
    const pod: Pod = { ...read.fields, firstSeen, ended };
    if (known !== undefined && isDeepStrictEqual(known.pod, pod)) return true;
    const endedMs = ended === 0 ? null : (known?.endedMs ?? this.#elapsedMs());
    this.#entries.set(uid, { pod, endedMs, listed: true });
    this.#changed.add(uid);
    return true;
  }

  /** The API server has the pod no more. */
  remove(uid: string): void {
    const known = this.#entries.get(uid);
    if (known === undefined) return;
    known.listed = false;
    if (known.endedMs !== null) return;
    known.endedMs = this.#elapsedMs();
    known.pod = { ...known.pod, ended: this.#tick() };
    this.#changed.add(uid);
  }

  all(): readonly Pod[] {
    this.#forget();
    this.#changed.clear();
    return [...this.#entries.values()].filter((entry) => this.#isFresh(entry)).map(({ pod }) => pod);
  }

  changed(): readonly Pod[] {
    const pods = [...this.#changed].flatMap((uid) => this.#entries.get(uid)?.pod ?? []);
    this.#changed.clear();
    return pods;
  }

  #isFresh(entry: Entry): boolean {
    return entry.endedMs === null || this.#elapsedMs() - entry.endedMs <= ENDED_KEPT_MS;
  }

  // Pods of jobs that are done stay in the API server for days: those are kept, unreported, so that the next
  // list does not bring them back as new.
  #forget(): void {
    for (const [uid, entry] of this.#entries) {
      if (entry.listed || this.#isFresh(entry)) continue;
      this.#entries.delete(uid);
      this.#changed.delete(uid);
    }
  }

  // Tick 0 means "lives" where an end is told.
  #tick(): number {
    return Math.max(1, ticksOf(this.#elapsedMs()));
  }
}
