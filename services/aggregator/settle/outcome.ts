// How a connection went, by what its sockets and its flow say: a refused attempt is not talk, and neither is
// one that nobody answers.

import { Attempt, Outcome } from "../../../lib/vocabulary/outcomes.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { ConnectionFacts } from "./facts.ts";

/**
 * Milliseconds that an attempt lasted at least to have timed out: the first SYN is repeated after one second
 * (RFC 6298).
 */
const TIMED_OUT_MS = 3_000;
/**
 * Milliseconds after which a flow without a reply was never answered. A reset ends its entry after ten seconds
 * (nf_conntrack_tcp_timeout_close), an unanswered SYN leaves it for two minutes.
 */
const UNANSWERED_MS = 15_000;

/**
 * The outcome, as Outcome. `isClosed` is whether the connection is closed now, `attempt` and `repeated` are
 * its client's.
 */
export function decideOutcome(facts: ConnectionFacts, isClosed: boolean, swapped: boolean): number {
  const { traits, flow, hasFlow, lastSeenMs } = facts;
  if ((traits & Trait.established) !== 0) return Outcome.established;
  if (hasFlow && flow.answered) return Outcome.established;
  const lone = (traits & Trait.lone) !== 0;
  // Whoever a listener hears has talked, whether or not the protocol has answers.
  if (lone && (traits & Trait.sharedServer) !== 0) return Outcome.established;
  if (!isClosed) return Outcome.pending;
  if (!facts.isTcp) return Outcome.timedOut;
  const client = swapped ? facts.server : facts.client;
  if (client.attempt !== Attempt.none)
    return client.attempt === Attempt.refused ? Outcome.refused : Outcome.timedOut;
  if (hasFlow && flow.replied) return Outcome.refused;
  // A SYN that had to be sent again got neither an answer nor a reset.
  if (lone || client.repeated) return Outcome.timedOut;
  if (lastSeenMs - facts.firstSeenMs >= TIMED_OUT_MS) return Outcome.timedOut;
  if (hasFlow) {
    const untilMs = flow.goneMs > 0 ? flow.goneMs : lastSeenMs;
    if (untilMs - flow.sinceMs >= UNANSWERED_MS) return Outcome.timedOut;
  }
  return Outcome.refused;
}
