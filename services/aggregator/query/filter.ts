// Compiles a Filter into tests over the store's slots. Cheap tests on integers come first; who the ends are is looked at
// only where a filter asks.

import { allFlowStateWords } from "../../../lib/conntrack/flow-words.ts";
import type { Endpoint, EndpointSelector, Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { Filter as FilterMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import { allStateWords, stateWord } from "../../../lib/words.ts";
import { outcomeWords } from "../join/outcomes.ts";
import { ConnectionFlag } from "../store/connection-store.ts";
import { Family, storeProtocolWord } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import type { ConnectionMessages } from "./connection-messages.ts";
import { protocolWords } from "./connection-messages.ts";
import type { Side } from "./connection-view.ts";
import { FilterError } from "./filter-error.ts";
import { parseLabelSelector } from "./label-selector.ts";
import type { LabelTest } from "./label-selector.ts";
import type { SelectorTest, Subject } from "./selectors.ts";
import { compileSelector, isHeldBy } from "./selectors.ts";

/** Values that one field of a filter has at most. */
export const FILTER_VALUES_MAX = 1000;

const outcomes = outcomeWords.filter((word) => word !== "");

/** States of sockets, and those that only flows have. */
const stateWordsKnown = new Set([...allStateWords, ...allFlowStateWords]);

/** A compiled filter; each test takes a slot. */
export interface CompiledFilter {
  connection(slot: number): boolean;
  listener(slot: number): boolean;
  /** Null where edges do not tell, so that their connections must be looked at. */
  readonly edge: ((slot: number) => boolean) | null;
}

/** Compiles a filter for one answer. Throws FilterError with a sentence where it cannot be meant. */
export function compileFilter(
  given: Filter | undefined,
  tables: Tables,
  messages: ConnectionMessages,
): CompiledFilter {
  const filter = given ?? FilterMessage.create();
  checkBounds(filter);
  const parts: Parts = {
    tables,
    messages,
    protocols: new Set(filter.protocols.map(parseProtocol)),
    ports: new Set(filter.ports.map(parsePort)),
    states: new Set(filter.states.map(parseState)),
    outcomes: new Set(filter.outcomes.map(parseOutcome)),
    processes: filter.processes,
    namespaceInodes: new Set(filter.namespaceInodes),
    namespaces: new Set(filter.namespaces),
    labels: filter.labels.trim() === "" ? null : parseLabelSelector(filter.labels),
    from: compileAll(filter.from, tables, messages.nowMs),
    to: compileAll(filter.to, tables, messages.nowMs),
    either: compileAll(filter.either, tables, messages.nowMs),
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
  readonly tables: Tables;
  readonly messages: ConnectionMessages;
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
  const { tables, messages } = parts;
  const { connections, sockets, namespaces } = tables;
  const { view } = messages;
  if (!connections.has(slot, ConnectionFlag.inUse)) return false;
  if (parts.openOnly && connections.has(slot, ConnectionFlag.closed)) return false;
  const protocolNumber = view.protocol(slot);
  const protocol = storeProtocolWord(protocolNumber);
  if (parts.protocols.size > 0 && !parts.protocols.has(protocol)) return false;
  const path = protocolNumber === Family.unix ? view.path(slot) : "";
  if (protocolNumber === Family.unix && path === "" && !parts.includeAnonymous) return false;
  if (parts.outcomes.size > 0 && !parts.outcomes.has(view.outcome(slot))) return false;
  if (parts.states.size > 0 && !view.stateWords(slot).some((word) => parts.states.has(word))) return false;
  const client = view.client(slot);
  const server = view.server(slot);
  const via = view.via(slot);
  if (parts.ports.size > 0 && !parts.ports.has(server.port) && !(via !== null && parts.ports.has(via.port)))
    return false;
  const ends = [client.socket, server.socket];
  if (parts.namespaceInodes.size > 0) {
    const inodes = ends.map((end) => (end < 0 ? -1 : namespaces.row(sockets.namespace(end)).inode));
    if (!inodes.some((inode) => parts.namespaceInodes.has(inode))) return false;
  }
  if (parts.processes.length > 0) {
    if (!parts.processes.some((name) => ends.some((end) => isHeldBy(tables, end, name)))) return false;
  }
  if (!asksWho(parts)) return true;
  const subjectOf = (side: Side): Subject => ({
    endpoint: messages.endpoints.ofKey(side.key),
    socket: side.socket,
    address: side.address,
    port: side.port,
    protocol,
    path,
    via: null,
  });
  const dialled = via === null ? null : { ...via, ip: tables.addresses.text(via.address) };
  return testEnds(parts, subjectOf(client), { ...subjectOf(server), via: dialled });
}

function testEdge(parts: Parts, slot: number): boolean {
  const { tables, messages } = parts;
  const { edges } = tables;
  const protocolNumber = edges.protocol[slot]!;
  const protocol = storeProtocolWord(protocolNumber);
  if (parts.protocols.size > 0 && !parts.protocols.has(protocol)) return false;
  const path = edges.paths.get(slot) ?? "";
  if (protocolNumber === Family.unix && path === "" && !parts.includeAnonymous) return false;
  const port = edges.port[slot]!;
  const viaIp = edges.viaIps.get(slot) ?? "";
  const viaPort = edges.viaPort[slot]!;
  if (parts.ports.size > 0 && !parts.ports.has(port) && !(viaIp !== "" && parts.ports.has(viaPort)))
    return false;
  if (!asksWho(parts)) return true;
  const subjectOf = (key: number): Subject => ({
    endpoint: messages.endpoints.ofKey(key),
    socket: -1,
    address: -1,
    port,
    protocol,
    path,
    via: null,
  });
  const via = viaIp === "" ? null : { ip: viaIp, port: viaPort, address: -1 };
  return testEnds(parts, subjectOf(edges.client[slot]!), { ...subjectOf(edges.server[slot]!), via });
}

function testListener(parts: Parts, slot: number): boolean {
  const { tables, messages } = parts;
  const { sockets, namespaces } = tables;
  const protocol = storeProtocolWord(sockets.protocol(slot));
  if (parts.protocols.size > 0 && !parts.protocols.has(protocol)) return false;
  const port = sockets.localPort(slot);
  if (parts.ports.size > 0 && !parts.ports.has(port)) return false;
  if (parts.states.size > 0 && !parts.states.has(stateWord(sockets.state(slot)))) return false;
  const { inode } = namespaces.row(sockets.namespace(slot));
  if (parts.namespaceInodes.size > 0 && !parts.namespaceInodes.has(inode)) return false;
  if (parts.processes.length > 0 && !parts.processes.some((name) => isHeldBy(tables, slot, name)))
    return false;
  if (!asksWho(parts)) return true;
  const subject: Subject = {
    endpoint: messages.listenerBase(slot),
    socket: slot,
    address:
      protocol === "unix" || protocol === "netlink" || protocol === "packet"
        ? -1
        : sockets.localAddress(slot),
    port,
    protocol,
    path: sockets.paths.get(slot) ?? "",
    via: null,
  };
  const wanted = [...parts.to, ...parts.either];
  if (wanted.length > 0 && !wanted.some((selector) => selector.test(subject))) return false;
  return isInScope(parts, subject.endpoint);
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

function compileAll(selectors: readonly EndpointSelector[], tables: Tables, nowMs: number): SelectorTest[] {
  return selectors.map((selector) => compileSelector(selector, tables, nowMs));
}

function checkBounds(filter: Filter): void {
  for (const [name, values] of Object.entries(filter)) {
    if (Array.isArray(values) && values.length > FILTER_VALUES_MAX) {
      throw new FilterError(`${name} has ${values.length} values, at most ${FILTER_VALUES_MAX} are possible`);
    }
  }
}

function parseProtocol(word: string): string {
  if (protocolWords.includes(word) || /^\d{1,3}$/.test(word)) return word;
  throw new FilterError(`"${word}" is no protocol: there are ${protocolWords.join(", ")}, and numbers`);
}

function parsePort(port: number): number {
  if (port <= 65_535) return port;
  throw new FilterError(`${port} is no port: the highest is 65535`);
}

function parseState(word: string): string {
  if (stateWordsKnown.has(word)) return word;
  throw new FilterError(`"${word}" is no state: there are ${[...stateWordsKnown].join(", ")}`);
}

function parseOutcome(word: string): string {
  if (outcomes.some((outcome) => outcome === word)) return word;
  throw new FilterError(`"${word}" is no outcome: there are ${outcomes.join(", ")}`);
}
