// The words that answers use for what the tables hold as numbers.

import { allProtocolWords, protocolWord } from "../../../lib/words.ts";
import { DirectionBy, Evidence } from "../model/connections/connection-rows.ts";
import { Family } from "../model/sockets/socket-rows.ts";

/** Every word for an outcome, by its number. */
export const outcomeWords = ["", "established", "refused", "timed-out", "pending"] as const;

/** The word for an outcome; empty if there is none yet. */
export function outcomeWord(outcome: number): string {
  return outcomeWords[outcome] ?? "";
}

/** The word for how it is known who opened a connection. */
export function directionWord(by: number): string {
  switch (by) {
    case DirectionBy.flow:
      return "flow";
    case DirectionBy.listener:
      return "listener";
    case DirectionBy.port:
      return "port";
    default:
      return "guess";
  }
}

/** The words for bits of Evidence. */
export function evidenceWords(evidence: number): string[] {
  return [
    ...((evidence & Evidence.client) !== 0 ? ["client-socket"] : []),
    ...((evidence & Evidence.server) !== 0 ? ["server-socket"] : []),
    ...((evidence & Evidence.flow) !== 0 ? ["flow"] : []),
  ];
}

/** The word for a number of the protocol column. */
export function storeProtocolWord(protocol: number): string {
  switch (protocol) {
    case Family.unix:
      return "unix";
    case Family.netlink:
      return "netlink";
    case Family.packet:
      return "packet";
    default:
      return protocolWord(protocol);
  }
}

/** Every word that a protocol filter may name, besides numbers. */
export const protocolWords: readonly string[] = [...allProtocolWords, "unix", "netlink", "packet"];
