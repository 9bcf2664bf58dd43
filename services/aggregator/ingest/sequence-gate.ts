// Decides from a report's header whether to apply it: detects duplicates, gaps, restarted agents and rebooted
// nodes.

import type { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import type { StreamPosition } from "../model/nodes/stream-position.ts";

/** What to do with a report. */
export type Verdict =
  /** Apply it. */
  | { readonly kind: "apply"; readonly lost: number; readonly newEpoch: boolean; readonly newBoot: boolean }
  /** Drop it: a keyframe must come first. */
  | { readonly kind: "wait"; readonly lost: number; readonly newEpoch: boolean; readonly newBoot: boolean }
  /** It arrived before. */
  | { readonly kind: "duplicate" }
  /** It belongs to an earlier run of the agent. */
  | { readonly kind: "stale" };

/** Returns the verdict on a report, given the position of its node's stream; changes nothing. */
export function judgeReport(stream: Readonly<StreamPosition>, header: Report): Verdict {
  const newBoot = stream.bootId !== header.bootId;
  // Epochs are times of the node's clock, which a reboot may set back: they order runs only within a boot. An
  // earlier boot id never comes back.
  if (newBoot && stream.bootId !== "" && stream.pastBootIds.includes(header.bootId)) return { kind: "stale" };
  if (!newBoot && header.epoch < stream.epoch) return { kind: "stale" };
  const newEpoch = newBoot || header.epoch !== stream.epoch;
  if (!newEpoch && header.sequence <= stream.sequence) return { kind: "duplicate" };
  // Reports before the first one of a run that arrives here are not lost: they were published before this
  // stream was read.
  const lost = newEpoch ? 0 : header.sequence - stream.sequence - 1;
  const begins = header.keyframe && header.part === 0;
  const continues = header.keyframe
    ? stream.nextPart > 0 && header.part === stream.nextPart
    : !stream.awaitsKeyframe;
  const kind = begins || (!newEpoch && lost === 0 && continues) ? "apply" : "wait";
  return { kind, lost, newEpoch, newBoot };
}
