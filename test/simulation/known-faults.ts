// Faults of matching that the simulator finds today. The list may only shrink: a fix removes its entry. Files
// are those of services/aggregator unless noted otherwise.

/** What happens, and why, by the fault's name. */
export const knownFaults = {
  "direction-label":
    "directionBy depends on the order: the word of a plain flow outranks a listener that is reported later " +
    "(settle/direction.ts: direction.by < facts.directionBy)",
  "id-again":
    "after lost reports an agent's id may be another socket's: with the same tuple it is taken for the same one, whatever " +
    "its cookie (ingest/socket-intake.ts, model/sockets/socket-rows.ts)",
  "without-cookies":
    "a tuple is used again soon, and the rows have no cookies: the ended row of the new socket is taken for the old one " +
    "(ingest/socket-intake.ts, model/sockets/socket-role.ts continues)",
  "time-wait-peer":
    "an end is joined with the TIME_WAIT entry of the conversation before on the same ports, and changes over late or, " +
    "within one namespace, never (match/by-tuple.ts, apply/connector.ts #changeOver)",
  "tuple-again":
    "of several conversations on one tuple, an end that has gone finds no peer while an end of a later one lives, and " +
    "ends of different ones may be joined (match/by-tuple.ts)",
  "flow-of-another":
    "flows have the same tuple one after the other: of several the living one is taken for ends that have gone, and " +
    "one that began some seconds before or after is taken for an end's own (match/by-flow.ts flowOfEnd, supersedes, isTimely)",
  "lone-flow-early":
    "a flow without sockets is shown if it is judged before the node that has one of its ends has reported, and stays " +
    "(match/by-lone-flow.ts isKnownOtherwise, coveredEnds)",
  "shown-peer-stays":
    "a flow that is shown alone stays beside the connection that sockets make if another flow of its conversation, " +
    "which is not shown, ties them (apply/connector.ts, match/by-flow.ts flowFor)",
  "flow-forgotten":
    "a flow that has gone is forgotten once it was judged: a socket that is reported later does not find it " +
    "(apply/flow-waits.ts, apply/flow-life.ts)",
  "flow-gone-early":
    "a flow counts as gone since its node's report before, which may be before a socket that came and went was first " +
    "seen, as that is when it ended: the connection rests on a flow that translates nothing instead " +
    "(match/by-flow.ts isTimely)",
  "join-against-flow":
    "ends that were joined by their tuples, or by a Service's endpoints, stay together when a flow that translates the " +
    "client's port says otherwise (match/by-tuple.ts, match/by-service.ts)",
  "datagram-flow-older":
    "datagrams of several sockets, one after the other, share an entry if they share a port: a socket that is more " +
    "than ten seconds younger than the entry is not tied to it (match/by-flow.ts isTimely)",
  "datagram-server-late":
    "datagrams that have ended, or that have no socket, are judged once: a listener that is reported later is not their " +
    "server (match/by-lone-flow.ts directionOfFlow, apply/periodic/upkeep.ts)",
} as const;

/** Names of known faults. */
export type KnownFaultName = keyof typeof knownFaults;
