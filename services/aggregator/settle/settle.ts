// Decides what a connection means: facts in, patch out. It reads and writes no tables (facts.ts reads the
// model, apply/ writes the patch).

import { Lifecycle } from "../model/connections/connection-rows.ts";
import { decideDirection } from "./direction.ts";
import type { Direction } from "./direction.ts";
import type { ConnectionFacts } from "./facts.ts";
import { isOpen } from "./facts.ts";
import { decideOutcome } from "./outcome.ts";

/** What to write about a connection. */
export interface ConnectionPatch {
  /** Null to keep the earlier decision. */
  direction: Direction | null;
  /** As Lifecycle. */
  lifecycle: number;
  /** As Outcome. */
  outcome: number;
}

/** Creates an empty patch for settle(). */
export function emptyPatch(): ConnectionPatch {
  return { direction: null, lifecycle: 0, outcome: 0 };
}

/** Decides everything about a connection that follows from the facts. */
export function settle(facts: ConnectionFacts, patch: ConnectionPatch): void {
  patch.direction = decideDirection(facts);
  patch.lifecycle = decideLifecycle(facts);
  const isClosed = patch.lifecycle !== Lifecycle.open;
  patch.outcome = decideOutcome(facts, isClosed, patch.direction?.swapped ?? false);
}

function decideLifecycle(facts: ConnectionFacts): number {
  if (isOpen(facts)) return Lifecycle.open;
  const { client, server, flow } = facts;
  return client.live || server.live || flow.live ? Lifecycle.closed : Lifecycle.ended;
}
