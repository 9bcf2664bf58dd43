// The only mapping between the query API's messages and the JSON that users script against: the same field
// names, numbers as numbers, times as RFC 3339, empty fields omitted. docs/cli.md describes it for users.

import type {
  Connection,
  Coverage,
  Edge,
  Endpoint,
  Icmp,
  Listener,
  PodCoverage,
  ServiceRef,
  SocketAddress,
  Via,
  Workload,
  Process,
  Holder,
  Timer,
} from "../gen/whotalks/v1/query.ts";
import { connectionCounters } from "./gen/connection-counters.ts";
import type { NodeCoverage } from "../gen/whotalks/v1/report.ts";
import {
  type Codec,
  flag,
  flagIfKnown,
  flagIfTrue,
  labels,
  listAlways,
  listOfObjects,
  number,
  numberIfKnown,
  numberUnlessZero,
  object,
  readObject,
  shape,
  text,
  texts,
  time,
  writeObject,
} from "./codec.ts";

const workloadShape = shape<Workload>({ kind: ["kind", text], name: ["name", text] });

const processShape = shape<Process>({
  // 0 means several processes.
  pid: ["pid", numberUnlessZero],
  name: ["name", text],
  exe: ["exe", text],
  uid: ["uid", number],
});

const holderShape = shape<Holder>({ pid: ["pid", number], name: ["name", text], fd: ["fd", number] });

const timerShape = shape<Timer>({ kind: ["kind", text], expiresMs: ["expiresMs", number] });

const serviceShape = shape<ServiceRef>({ namespace: ["namespace", text], name: ["name", text] });

const socketAddressShape = shape<SocketAddress>({ ip: ["ip", text], port: ["port", number] });

const icmpShape = shape<Icmp>({ type: ["type", number], code: ["code", number], id: ["id", number] });

const viaShape = shape<Via>({
  ip: ["ip", text],
  port: ["port", numberUnlessZero],
  service: ["service", object(serviceShape)],
});

// A side about which nothing is known has the kind "unknown", never no kind.
const endpointKind: Codec<string> = { ...text, write: (kind) => (kind === "" ? "unknown" : kind) };

/** An endpoint: who one side is. */
export const endpointShape = shape<Endpoint>({
  kind: ["kind", endpointKind],
  ip: ["ip", text],
  port: ["port", numberUnlessZero],
  node: ["node", text],
  namespace: ["namespace", text],
  pod: ["pod", text],
  podUid: ["podUid", text],
  workload: ["workload", object(workloadShape)],
  container: ["container", text],
  serviceAccount: ["serviceAccount", text],
  image: ["image", text],
  zone: ["zone", text],
  process: ["process", object(processShape)],
  unit: ["unit", text],
  inode: ["inode", numberUnlessZero],
  timer: ["timer", object(timerShape)],
  hostNetwork: ["hostNetwork", flagIfTrue],
  name: ["name", text],
  labels: ["labels", labels],
  networkNamespace: ["networkNamespace", numberUnlessZero],
  holders: ["holders", listOfObjects(holderShape)],
  recvQueue: ["recvQueue", numberIfKnown],
  sendQueue: ["sendQueue", numberIfKnown],
  retransmits: ["retransmits", numberIfKnown],
  socketUid: ["socketUid", numberIfKnown],
  references: ["references", numberIfKnown],
  state: ["state", text],
});

/** An endpoint that is always present, `{"kind":"unknown"}` if the message has none. */
const endpoint: Codec<Endpoint | undefined> = {
  type: "endpoint",
  write: (value) => (value === undefined ? { kind: "unknown" } : writeObject(endpointShape, value)),
  read: (json, path) => readObject(endpointShape, json ?? { kind: "unknown" }, path),
};

function numbersIfKnown<Name extends string>(names: readonly Name[]) {
  const fields = names.map((name) => [name, [name, numberIfKnown]] as const);
  return Object.fromEntries(fields) as Record<Name, readonly [Name, typeof numberIfKnown]>;
}

/** A connection: one conversation. */
export const connectionShape = shape<Connection>({
  client: ["client", endpoint],
  server: ["server", endpoint],
  via: ["via", object(viaShape)],
  protocol: ["protocol", text],
  outcome: ["outcome", text],
  state: ["state", text],
  evidence: ["evidence", texts],
  bytesToServer: ["bytesToServer", numberIfKnown],
  bytesToClient: ["bytesToClient", numberIfKnown],
  ...numbersIfKnown(connectionCounters),
  recvQueue: ["recvQueue", numberIfKnown],
  sendQueue: ["sendQueue", numberIfKnown],
  snat: ["snat", object(socketAddressShape)],
  firstSeenMs: ["firstSeen", time],
  lastSeenMs: ["lastSeen", time],
  closed: ["closed", flag],
  viaUnknown: ["viaUnknown", flagIfTrue],
  forwarded: ["forwarded", flagIfTrue],
  count: ["count", number],
  directionBy: ["directionBy", text],
  icmp: ["icmp", object(icmpShape)],
  unixPath: ["unixPath", text],
  uid: ["uid", text],
});

/** An edge: aggregated connections. */
export const edgeShape = shape<Edge>({
  client: ["client", endpoint],
  server: ["server", endpoint],
  via: ["via", object(viaShape)],
  protocol: ["protocol", text],
  port: ["port", numberUnlessZero],
  outcome: ["outcome", text],
  connections: ["connections", number],
  refused: ["refused", number],
  timedOut: ["timedOut", number],
  pending: ["pending", number],
  open: ["open", number],
  bytesToServer: ["bytesToServer", numberIfKnown],
  bytesToClient: ["bytesToClient", numberIfKnown],
  firstSeenMs: ["firstSeen", time],
  lastSeenMs: ["lastSeen", time],
  evidence: ["evidence", texts],
  unixPath: ["unixPath", text],
});

/** A listener: a socket that accepts connections. */
export const listenerShape = shape<Listener>({
  endpoint: ["endpoint", endpoint],
  protocol: ["protocol", text],
  address: ["address", text],
  port: ["port", numberUnlessZero],
  declared: ["declared", flagIfKnown],
  services: ["services", listOfObjects(serviceShape)],
  firstSeenMs: ["firstSeen", time],
});

/** One node's coverage. Counts are always present: 0 means that nothing was missed. */
export const nodeCoverageShape = shape<NodeCoverage>({
  node: ["node", text],
  reader: ["reader", text],
  conntrack: ["conntrack", text],
  namespaces: ["namespaces", number],
  namespacesFailed: ["namespacesFailed", number],
  processes: ["processes", number],
  processesUnreadable: ["processesUnreadable", number],
  processesWithoutFds: ["processesWithoutFds", number],
  sockets: ["sockets", number],
  socketsUnattributed: ["socketsUnattributed", number],
  linesMalformed: ["linesMalformed", number],
  socketsOverflowed: ["socketsOverflowed", number],
  limits: ["limits", texts],
  passMicros: ["passMicros", number],
  intervalMs: ["intervalMs", number],
  ageMs: ["ageMs", number],
  openedByKernel: ["openedByKernel", number],
  failedByKernel: ["failedByKernel", number],
  seen: ["seen", number],
  unseen: ["unseen", number],
  gaps: ["gaps", number],
  sinceMs: ["since", time],
  agentRestarts: ["agentRestarts", number],
  agentAwayMs: ["agentAwayMs", number],
  countedSinceMs: ["countedSince", time],
  flows: ["flows", number],
  flowOverruns: ["flowOverruns", number],
  destroyed: ["destroyed", text],
  destroyedOverruns: ["destroyedOverruns", number],
  events: ["events", text],
  eventsReason: ["eventsReason", text],
  eventsLost: ["eventsLost", number],
  eventsMissed: ["eventsMissed", number],
  version: ["version", text],
});

/** How completely one network namespace, of a pod or not, was read. */
export const podCoverageShape = shape<PodCoverage>({
  namespace: ["namespace", text],
  pod: ["pod", text],
  podUid: ["podUid", text],
  node: ["node", text],
  container: ["container", text],
  hostNetwork: ["hostNetwork", flagIfTrue],
  networkNamespace: ["networkNamespace", numberUnlessZero],
  status: ["status", text],
  reason: ["reason", text],
  reader: ["reader", text],
  destroyed: ["destroyed", text],
  openedByKernel: ["openedByKernel", number],
  failedByKernel: ["failedByKernel", number],
  seen: ["seen", number],
  unseen: ["unseen", number],
  sinceMs: ["since", time],
  readMicros: ["readMicros", number],
});

/** The coverage of an answer: what it is based on. */
export const coverageShape = shape<Coverage>({
  openedByKernel: ["openedByKernel", number],
  failedByKernel: ["failedByKernel", number],
  seen: ["seen", number],
  unseen: ["unseen", number],
  sinceMs: ["since", time],
  countedSinceMs: ["countedSince", time],
  keptSinceMs: ["keptSince", time],
  nodesExpected: ["nodesExpected", number],
  nodesUnread: ["nodesUnread", texts],
  nodes: ["nodes", listAlways(nodeCoverageShape)],
  podsUnread: ["podsUnread", texts],
  podsUnreadMore: ["podsUnreadMore", numberUnlessZero],
  podsUnobservable: ["podsUnobservable", texts],
  podsUnobservableMore: ["podsUnobservableMore", numberUnlessZero],
  pods: ["pods", listOfObjects(podCoverageShape)],
  podsMore: ["podsMore", numberUnlessZero],
  storeOverflowed: ["storeOverflowed", number],
  endsAmbiguous: ["endsAmbiguous", number],
  reportsRejected: ["reportsRejected", number],
  limits: ["limits", texts],
});

/** The nested shapes, by their names in the documentation. */
export const namedShapes = {
  process: processShape,
  holder: holderShape,
  timer: timerShape,
  workload: workloadShape,
  via: viaShape,
  service: serviceShape,
  snat: socketAddressShape,
  icmp: icmpShape,
} as const;
