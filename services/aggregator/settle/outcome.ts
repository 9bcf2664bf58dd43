// Decides the outcome of a connection from its sockets and its flow: refused and unanswered attempts do not
// count as talking.

import { Attempt, Outcome } from "../../../lib/vocabulary/outcomes.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { ConnectionFacts } from "./facts.ts";

/**
 * Minimum duration of an attempt that timed out, in milliseconds: the first SYN is retransmitted after one
 * second (RFC 6298).
 */
const TIMED_OUT_MS = 3_000;
/**
 * Milliseconds after which a flow without a reply counts as unanswered. A reset ends its entry after ten
 * seconds (nf_conntrack_tcp_timeout_close), an unanswered SYN leaves it for two minutes.
 */
const UNANSWERED_MS = 15_000;

/**
 * Returns the outcome, as Outcome. `isClosed` is whether the connection is closed now; `swapped` is whether
 * the direction decision swaps its ends.
 */
export function decideOutcome(facts: ConnectionFacts, isClosed: boolean, swapped: boolean): number {
  const { traits, flow, hasFlow, lastSeenMs } = facts;
  if ((traits & Trait.established) !== 0) return Outcome.established;
  if (hasFlow && flow.answered) return Outcome.established;
  const lone = (traits & Trait.lone) !== 0;
  // A client that reaches a listener has talked, whether or not the protocol has replies.
  if (lone && (traits & Trait.sharedServer) !== 0) return Outcome.established;
  if (!isClosed) return Outcome.pending;
  if (!facts.isTcp) return Outcome.timedOut;
  const client = swapped ? facts.server : facts.client;
  if (client.attempt !== Attempt.none)
    return client.attempt === Attempt.refused ? Outcome.refused : Outcome.timedOut;
  if (hasFlow && flow.replied) return Outcome.refused;
  // A retransmitted SYN got neither an answer nor a reset.
  if (lone || client.repeated) return Outcome.timedOut;
  if (lastSeenMs - facts.firstSeenMs >= TIMED_OUT_MS) return Outcome.timedOut;
  if (hasFlow) {
    const untilMs = flow.goneMs > 0 ? flow.goneMs : lastSeenMs;
    if (untilMs - flow.sinceMs >= UNANSWERED_MS) return Outcome.timedOut;
  }
  return Outcome.refused;
}
