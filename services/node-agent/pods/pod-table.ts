// The pods of this node, running ones and recently ended ones, as reports carry them. Plain state: the watch
// puts pods in, the pipeline takes them out.

import { isDeepStrictEqual } from "node:util";
import type { Pod } from "../../../lib/gen/whotalks/v1/report.ts";
import { ticksOf } from "../../../lib/ticks.ts";
import type { PodSource } from "../agent-parts.ts";
import { readPod } from "./pod-fields.ts";

/** Maximum running and recently ended pods: a kubelet runs 110 by default, and 500 in the largest clusters. */
export const PODS_MAX = 4096;

/** How long a pod is reported after its end: as long as a replay looks back. */
export const ENDED_KEPT_MS = 15 * 60_000;

interface Entry {
  pod: Pod;
  /** When it ended, in elapsed milliseconds; null while it is running. */
  endedMs: number | null;
  /** Whether the API server still has it. */
  listed: boolean;
}

/** The pods of one node. */
export class PodTable implements PodSource {
  /** Pods that did not fit. */
  overflowed = 0;
  readonly #entries = new Map<string, Entry>();
  readonly #changed = new Set<string>();
  readonly #elapsedMs: () => number;

  /** `elapsedMs` is the epoch's clock: monotonic milliseconds since the agent's start. */
  constructor(elapsedMs: () => number) {
    this.#elapsedMs = elapsedMs;
  }

  /** Number of pods in the table. */
  get size(): number {
    return this.#entries.size;
  }

  /** Adds or updates a pod from the API server's JSON; returns false if it is malformed. */
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
    // An end is final: a pod does not come back, whatever a stale list contains.
    const ended =
      known !== undefined && known.pod.ended !== 0 ? known.pod.ended : read.finished ? this.#tick() : 0;
    const pod: Pod = { ...read.fields, firstSeen, ended };
    if (known !== undefined && isDeepStrictEqual(known.pod, pod)) return true;
    const endedMs = ended === 0 ? null : (known?.endedMs ?? this.#elapsedMs());
    this.#entries.set(uid, { pod, endedMs, listed: true });
    this.#changed.add(uid);
    return true;
  }

  /** Ends a pod that the API server no longer has. */
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

  // Pods of completed jobs stay in the API server for days: keep them, unreported, so that the next list does
  // not bring them back as new.
  #forget(): void {
    for (const [uid, entry] of this.#entries) {
      if (entry.listed || this.#isFresh(entry)) continue;
      this.#entries.delete(uid);
      this.#changed.delete(uid);
    }
  }

  // An end tick of 0 means that the pod is still running.
  #tick(): number {
    return Math.max(1, ticksOf(this.#elapsedMs()));
  }
}
