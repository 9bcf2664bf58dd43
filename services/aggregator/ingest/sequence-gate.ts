// Decides from a report's header whether it may be applied: duplicates, holes, agents and nodes that began anew.

import type { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import type { NodeRecord } from "../store/node-record.ts";

/** What to do with a report. */
export type Verdict =
  /** Apply it. */
  | { readonly kind: "apply"; readonly lost: number; readonly newEpoch: boolean; readonly newBoot: boolean }
  /** Leave it aside: a keyframe must come first. */
  | { readonly kind: "wait"; readonly lost: number; readonly newEpoch: boolean; readonly newBoot: boolean }
  /** It was there already. */
  | { readonly kind: "duplicate" }
  /** It is of an earlier run of the agent. */
  | { readonly kind: "stale" };

/** The verdict on a report of a node; nothing is changed. */
export function judgeReport(node: NodeRecord, header: Report): Verdict {
  const newBoot = node.bootId !== header.bootId;
  // Epochs are times of the node's clock, which may go back over a reboot: only within a boot do they order runs. A
  // boot that was left never comes back.
  if (newBoot && node.bootId !== "" && node.pastBootIds.includes(header.bootId)) return { kind: "stale" };
  if (!newBoot && header.epoch < node.epoch) return { kind: "stale" };
  const newEpoch = newBoot || header.epoch !== node.epoch;
  if (!newEpoch && header.sequence <= node.sequence) return { kind: "duplicate" };
  // The reports before the first one that is seen of a run are not lost, they were before our time.
  const lost = newEpoch ? 0 : header.sequence - node.sequence - 1;
  const begins = header.keyframe && header.part === 0;
  const goesOn = header.keyframe ? node.nextPart > 0 && header.part === node.nextPart : !node.awaitsKeyframe;
  const kind = begins || (!newEpoch && lost === 0 && goesOn) ? "apply" : "wait";
  return { kind, lost, newEpoch, newBoot };
}
