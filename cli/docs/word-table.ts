// The words in answers, for docs/cli.md: each field with its vocabulary.

import { Change } from "../../lib/vocabulary/changes.ts";
import { conntrackModes } from "../../lib/vocabulary/conntrack-choices.ts";
import { eventsModes } from "../../lib/vocabulary/events-modes.ts";
import { destroyedModes } from "../../lib/vocabulary/destroyed-modes.ts";
import { DirectionBy } from "../../lib/vocabulary/direction.ts";
import { endpointKinds } from "../../lib/vocabulary/endpoint-kinds.ts";
import { Evidence, evidenceWords } from "../../lib/vocabulary/evidence.ts";
import { outcomeWords } from "../../lib/vocabulary/outcomes.ts";
import { protocolWords } from "../../lib/vocabulary/protocols.ts";
import { readerNames } from "../../lib/vocabulary/reader-names.ts";
import { stateWords } from "../../lib/vocabulary/states.ts";
import { timerWords } from "../../lib/vocabulary/timers.ts";

/** A field in JSON, and every word that it may have. */
export const wordTable: ReadonlyArray<readonly [field: string, words: readonly string[]]> = [
  ["protocol", protocolWords],
  ["state", stateWords],
  ["outcome", outcomeWords],
  ["evidence", Object.values(Evidence).flatMap(evidenceWords)],
  ["directionBy", Object.keys(DirectionBy).toReversed()],
  ["kind", endpointKinds],
  ["timer.kind", timerWords],
  ["reader", readerNames],
  ["conntrack", conntrackModes],
  ["destroyed", destroyedModes],
  ["events", eventsModes],
  ["type", Object.keys(Change)],
];
