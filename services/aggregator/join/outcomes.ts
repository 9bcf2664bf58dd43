// How a connection went, by what its sockets and its flow tell: a refused attempt is not talk, and neither is one that
// nobody answers.

import { FlowStatus, TcpFlowState } from "../../../lib/conntrack/flow-words.ts";
import { Attempt, Protocol } from "../../../lib/words.ts";
import { ConnectionFlag, Outcome } from "../store/connection-store.ts";
import type { FlowStore } from "../store/flow-store.ts";
import type { Tables } from "../store/tables.ts";

/** Milliseconds that an attempt lasted at least to have timed out: the first SYN is repeated after one second (RFC 6298). */
const TIMED_OUT_MS = 3_000;
/**
 * Milliseconds after which a flow without a reply was never answered. A reset ends its entry after ten seconds
 * (nf_conntrack_tcp_timeout_close), an unanswered SYN leaves it for two minutes.
 */
const UNANSWERED_MS = 15_000;

/** The outcome of a connection whose closing has been settled, as Outcome has it. */
export function outcomeOf(tables: Tables, connection: number): number {
  const { connections, flows, sockets } = tables;
  if (connections.has(connection, ConnectionFlag.established)) return Outcome.established;
  const flow = connections.flow[connection]!;
  const lone = connections.has(connection, ConnectionFlag.lone);
  if (flow >= 0 && isAnswered(flows, flow)) return Outcome.established;
  // Who is heard by a listener has talked, whether or not the protocol has answers.
  if (lone && connections.has(connection, ConnectionFlag.sharedServer)) return Outcome.established;
  if (!connections.has(connection, ConnectionFlag.closed)) return Outcome.pending;
  const isTcp =
    lone && flow >= 0
      ? flows.protocol[flow] === Protocol.tcp
      : sockets.protocol(Math.max(connections.client[connection]!, connections.server[connection]!)) ===
        Protocol.tcp;
  if (!isTcp) return Outcome.timedOut;
  const attempt = attemptOf(tables, connection);
  if (attempt !== Attempt.none) return attempt === Attempt.refused ? Outcome.refused : Outcome.timedOut;
  if (flow >= 0 && (flows.status[flow]! & FlowStatus.seenReply) !== 0) return Outcome.refused;
  if (lone || isRepeated(tables, connection)) return Outcome.timedOut;
  const livedMs = connections.lastSeenMs[connection]! - connections.firstSeenMs[connection]!;
  if (livedMs >= TIMED_OUT_MS) return Outcome.timedOut;
  if (flow >= 0) {
    const toMs = flows.isLive(flow) ? connections.lastSeenMs[connection]! : flows.goneMs[flow]!;
    if (toMs - flows.sinceMs[flow]! >= UNANSWERED_MS) return Outcome.timedOut;
  }
  return Outcome.refused;
}

/** Whether both ends of a flow have talked; of TCP whether the handshake was finished. */
export function isAnswered({ protocol, state, status }: FlowStore, flow: number): boolean {
  if ((status[flow]! & FlowStatus.assured) !== 0) return true;
  if (protocol[flow] === Protocol.tcp)
    return state[flow]! >= TcpFlowState.established && state[flow]! <= TcpFlowState.timeWait;
  return (status[flow]! & FlowStatus.seenReply) !== 0;
}

/** The word for an outcome; empty where there is none yet. */
export function outcomeWord(outcome: number): string {
  return outcomeWords[outcome] ?? "";
}

/** Every word for an outcome, by its number. */
export const outcomeWords = ["", "established", "refused", "timed-out", "pending"] as const;

// What the kernel told as the client's socket was destroyed.
function attemptOf({ connections, sockets }: Tables, connection: number): number {
  const client = connections.client[connection]!;
  return client < 0 ? Attempt.none : sockets.attempt[client]!;
}

// A SYN that had to be sent again got neither an answer nor a reset.
function isRepeated({ connections, sockets }: Tables, connection: number): boolean {
  const client = connections.client[connection]!;
  return client >= 0 && (sockets.retransmits[client]! > 0 || sockets.totalRetransmits[client]! > 0);
}
