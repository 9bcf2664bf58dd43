// Compiles a Filter into tests on the model's slots. Cheap tests on integers come first; endpoints are looked
// up only if the filter needs them.

import { normalizeState, stateWords } from "../../../lib/vocabulary/states.ts";
import type { Endpoint, EndpointSelector, Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { Filter as FilterMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import type { Side } from "../view/connection-view.ts";
import type { View } from "../view/view.ts";
import { normalizeOutcome, outcomeWords } from "../../../lib/vocabulary/outcomes.ts";
import { normalizeProtocol, protocolChoices, storeProtocolWord } from "../../../lib/vocabulary/protocols.ts";
import { FilterError } from "./filter-error.ts";
import { parseLabelSelector } from "./label-selector.ts";
import type { LabelTest } from "./label-selector.ts";
import type { SelectorTest, Subject } from "./selectors.ts";
import { compileSelector, isHeldBy } from "./selectors.ts";

/** Values per field of a filter. */
const FILTER_VALUES_MAX = 1000;

/** A compiled filter; each test takes a slot. */
export interface CompiledFilter {
  connection(slot: number): boolean;
  listener(slot: number): boolean;
  /** Null if edges lack what the filter tests, so that connections must be tested. */
  readonly edge: ((slot: number) => boolean) | null;
}

/** Compiles a filter for one answer. Throws FilterError with a sentence if it is invalid. */
export function compileFilter(given: Filter | undefined, view: View): CompiledFilter {
  const filter = given ?? FilterMessage.create();
  checkBounds(filter);
  const parts: Parts = {
    view,
    protocols: new Set(filter.protocols.map(parseProtocol)),
    ports: new Set(filter.ports.map(parsePort)),
    states: new Set(filter.states.map(parseState)),
    outcomes: new Set(filter.outcomes.map(parseOutcome)),
    processes: filter.processes,
    namespaceInodes: new Set(filter.namespaceInodes),
    namespaces: new Set(filter.namespaces),
    labels: filter.labels.trim() === "" ? null : parseLabelSelector(filter.labels),
    from: compileAll(filter.from, view),
    to: compileAll(filter.to, view),
    either: compileAll(filter.either, view),
    openOnly: filter.openOnly,
    includeAnonymous: filter.includeAnonymous,
  };
  const edgesTell =
    parts.states.size === 0 &&
    parts.outcomes.size === 0 &&
    parts.processes.length === 0 &&
    parts.namespaceInodes.size === 0 &&
    !parts.openOnly &&
    [...parts.from, ...parts.to, ...parts.either].every((selector) => selector.byEndpoint);
  return {
    connection: (slot) => testConnection(parts, slot),
    listener: (slot) => testListener(parts, slot),
    edge: edgesTell ? (slot) => testEdge(parts, slot) : null,
  };
}

interface Parts {
  readonly view: View;
  readonly protocols: ReadonlySet<string>;
  readonly ports: ReadonlySet<number>;
  readonly states: ReadonlySet<string>;
  readonly outcomes: ReadonlySet<string>;
  readonly processes: readonly string[];
  readonly namespaceInodes: ReadonlySet<number>;
  readonly namespaces: ReadonlySet<string>;
  readonly labels: LabelTest | null;
  readonly from: readonly SelectorTest[];
  readonly to: readonly SelectorTest[];
  readonly either: readonly SelectorTest[];
  readonly openOnly: boolean;
  readonly includeAnonymous: boolean;
}

function testConnection(parts: Parts, slot: number): boolean {
  const { addresses, connections, endpoints } = parts.view;
  if (!connections.exists(slot)) return false;
  if (parts.openOnly && connections.isClosed(slot)) return false;
  const protocol = storeProtocolWord(connections.protocol(slot));
  const path = protocol === "unix" ? connections.path(slot) : "";
  if (!testProtocol(parts, protocol, path)) return false;
  if (parts.outcomes.size > 0 && !parts.outcomes.has(connections.outcomeWord(slot))) return false;
  if (parts.states.size > 0 && !connections.stateWords(slot).some((word) => parts.states.has(word)))
    return false;
  const client = connections.client(slot);
  const server = connections.server(slot);
  const via = connections.via(slot);
  if (!testPort(parts, server.port, via?.port ?? null)) return false;
  if (!testSockets(parts, [client.socket, server.socket])) return false;
  if (!asksWho(parts)) return true;
  const firstSeenMs = connections.firstSeenMs(slot);
  const subjectOf = (side: Side): Subject => ({
    endpoint: endpoints.ofSide(side, firstSeenMs),
    socket: side.socket,
    address: side.address,
    port: side.port,
    protocol,
    path,
    via: null,
  });
  const dialled = via === null ? null : { ...via, ip: addresses.text(via.address) };
  return testEnds(parts, subjectOf(client), { ...subjectOf(server), via: dialled });
}

function testEdge(parts: Parts, slot: number): boolean {
  const { edges, endpoints } = parts.view;
  const { rows } = edges;
  const protocol = storeProtocolWord(rows.protocol[slot]!);
  const path = rows.path(slot);
  if (!testProtocol(parts, protocol, path)) return false;
  const port = rows.port[slot]!;
  const viaIp = rows.viaIp(slot);
  const viaPort = rows.viaPort[slot]!;
  if (!testPort(parts, port, viaIp === "" ? null : viaPort)) return false;
  if (!asksWho(parts)) return true;
  const subjectOf = (endpoint: number): Subject => ({
    endpoint: endpoints.numbered(endpoint),
    socket: -1,
    address: -1,
    port,
    protocol,
    path,
    via: null,
  });
  const via = viaIp === "" ? null : { ip: viaIp, port: viaPort, address: -1 };
  return testEnds(parts, subjectOf(rows.client[slot]!), { ...subjectOf(rows.server[slot]!), via });
}

function testListener(parts: Parts, slot: number): boolean {
  const { sockets, endpoints } = parts.view;
  const protocol = storeProtocolWord(sockets.protocol(slot));
  if (parts.protocols.size > 0 && !parts.protocols.has(protocol)) return false;
  const port = sockets.localPort(slot);
  if (!testPort(parts, port, null)) return false;
  if (parts.states.size > 0 && !parts.states.has(sockets.stateWord(slot))) return false;
  if (!testSockets(parts, [slot])) return false;
  if (!asksWho(parts)) return true;
  const subject: Subject = {
    endpoint: endpoints.ofSocket(slot),
    socket: slot,
    address: sockets.localAddress(slot),
    port,
    protocol,
    path: sockets.path(slot),
    via: null,
  };
  const wanted = [...parts.to, ...parts.either];
  if (wanted.length > 0 && !wanted.some((selector) => selector.test(subject))) return false;
  return isInScope(parts, subject.endpoint);
}

// Unnamed unix socket pairs are excluded by default.
function testProtocol({ protocols, includeAnonymous }: Parts, protocol: string, path: string): boolean {
  if (protocols.size > 0 && !protocols.has(protocol)) return false;
  return protocol !== "unix" || path !== "" || includeAnonymous;
}

function testPort({ ports }: Parts, port: number, viaPort: number | null): boolean {
  return ports.size === 0 || ports.has(port) || (viaPort !== null && ports.has(viaPort));
}

// Whether any of the sockets (slots, or -1) is in a wanted namespace, and any is held by a wanted process.
function testSockets({ view, namespaceInodes, processes }: Parts, slots: readonly number[]): boolean {
  const { sockets } = view;
  const isInNamespace = (slot: number): boolean =>
    slot >= 0 && namespaceInodes.has(sockets.namespaceInode(slot));
  if (namespaceInodes.size > 0 && !slots.some(isInNamespace)) return false;
  return processes.length === 0 || processes.some((name) => slots.some((slot) => isHeldBy(view, slot, name)));
}

function asksWho(parts: Parts): boolean {
  const { from, to, either, namespaces, labels } = parts;
  return from.length + to.length + either.length + namespaces.size > 0 || labels !== null;
}

function testEnds(parts: Parts, client: Subject, server: Subject): boolean {
  const { from, to, either } = parts;
  if (from.length > 0 && !from.some((selector) => selector.test(client))) return false;
  if (to.length > 0 && !to.some((selector) => selector.test(server))) return false;
  if (either.length > 0 && !either.some((selector) => selector.test(client) || selector.test(server)))
    return false;
  return isInScope(parts, client.endpoint) || isInScope(parts, server.endpoint);
}

function isInScope({ namespaces, labels }: Parts, endpoint: Endpoint): boolean {
  if (namespaces.size > 0 && !namespaces.has(endpoint.namespace)) return false;
  return labels === null || (endpoint.kind === "pod" && labels(endpoint.labels));
}

function compileAll(selectors: readonly EndpointSelector[], view: View): SelectorTest[] {
  return selectors.map((selector) => compileSelector(selector, view));
}

function checkBounds(filter: Filter): void {
  for (const [name, values] of Object.entries(filter)) {
    if (Array.isArray(values) && values.length > FILTER_VALUES_MAX) {
      throw new FilterError(`${name} has ${values.length} values, at most ${FILTER_VALUES_MAX} are possible`);
    }
  }
}

function parsePort(port: number): number {
  if (port <= 65_535) return port;
  throw new FilterError(`${port} is no port: the highest is 65535`);
}

function parseProtocol(text: string): string {
  return known("protocol", text, normalizeProtocol(text), protocolChoices);
}

function parseState(text: string): string {
  return known("state", text, normalizeState(text), stateWords);
}

function parseOutcome(text: string): string {
  return known("outcome", text, normalizeOutcome(text), outcomeWords);
}

function known(what: string, text: string, word: string | null, words: readonly string[]): string {
  if (word !== null) return word;
  throw new FilterError(`unknown ${what} "${text}"; expected one of ${words.join(", ")}`);
}
