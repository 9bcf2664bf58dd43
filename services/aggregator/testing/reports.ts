// Hand-made reports for tests: sockets in the notation of ss, encoded as an agent would.

import { parseAddress } from "../../../lib/address.ts";
import { ConntrackEntry } from "../../../lib/conntrack/conntrack-entry.ts";
import { ConntrackLineParser } from "../../../lib/conntrack/parse-line.ts";
import { FlowTable } from "../../../lib/flow-table.ts";
import type {
  FamilySocket,
  NamespaceCoverage,
  NetworkNamespace,
  ProcessInfo,
} from "../../../lib/gen/whotalks/v1/report.ts";
import {
  FamilySocket as FamilySocketMessage,
  NamespaceCoverage as NamespaceCoverageMessage,
  NodeCoverage,
  ProcessInfo as ProcessMessage,
  Report,
} from "../../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../../lib/holder-table.ts";
import { encodeReport } from "../../../lib/report-codec.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import { Attempt } from "../../../lib/vocabulary/outcomes.ts";
import { Protocol } from "../../../lib/vocabulary/protocols.ts";
import { SocketState } from "../../../lib/vocabulary/states.ts";

/** One socket. Addresses are "10.0.0.1:80" or "[::1]:80"; the wildcard is "*:80". */
export interface TestSocket {
  readonly id: number;
  /** Id of the network namespace; 0 by default. */
  readonly namespace?: number;
  /** tcp by default. */
  readonly protocol?: keyof typeof Protocol;
  readonly local: string;
  readonly remote?: string;
  /** ESTABLISHED by default. */
  readonly state?: keyof typeof SocketState;
  /** 1000 + id by default. */
  readonly inode?: number;
  /** Ids of processes that hold it. */
  readonly holders?: readonly number[];
  /** Ticks since the agent's start; those of the report by default. */
  readonly firstSeen?: number;
  readonly timer?: number;
  readonly timerDeadline?: number;
  /** Bytes sent and received; unknown by default. */
  readonly bytes?: readonly [number, number];
  /** How an attempt ended that never became a connection; none by default. */
  readonly attempt?: keyof typeof Attempt;
  /** Unanswered retransmissions; 0 by default. */
  readonly retransmits?: number;
  /** The kernel's cookie; unknown by default. */
  readonly cookie?: number;
}

/** Changed columns of a socket. */
interface TestChange {
  readonly id: number;
  readonly state: keyof typeof SocketState;
  readonly inode: number;
  /** Bytes sent and received; unknown by default. */
  readonly bytes?: readonly [number, number] | undefined;
}

/** The content of one report. */
export interface TestReport {
  readonly keyframe?: boolean;
  readonly part?: number;
  readonly parts?: number;
  readonly ageMs?: number;
  /** Whether the agent ends with it. */
  readonly ends?: boolean;
  readonly namespaces?: readonly Partial<NetworkNamespace>[];
  readonly namespacesRemoved?: readonly number[];
  readonly processes?: readonly Partial<ProcessInfo>[];
  readonly processesRemoved?: readonly number[];
  readonly sockets?: readonly TestSocket[];
  readonly changes?: readonly TestChange[];
  readonly removed?: readonly number[];
  readonly cleared?: readonly number[];
  /** Lines in the format of `conntrack -L -o id`: the id is the agent's, the namespace is 0 by default. */
  readonly flows?: readonly (string | { readonly line: string; readonly namespace: number })[];
  /** Lines of known flows whose state, status or counters changed. */
  readonly flowChanges?: readonly string[];
  readonly flowsRemoved?: readonly number[];
  /** The node's coverage, besides its name and its reader. */
  readonly coverage?: Partial<NodeCoverage>;
  /** The namespaces' own accounts; `read` by default. */
  readonly accounts?: readonly Partial<NamespaceCoverage>[];
  readonly family?: readonly (Partial<FamilySocket> & { readonly holders?: readonly number[] })[];
}

/** A test agent: counts its reports and its time. */
export class TestAgent {
  readonly name: string;
  bootId = "boot-1";
  epoch = 1_700_000_000_000;
  sequence = 0;
  /** 10 ms each; a report advances them by a second. */
  ticks = 0;

  constructor(name: string) {
    this.name = name;
  }

  /** Encodes the next report. */
  encode(content: TestReport): Uint8Array {
    if ((content.part ?? 0) === 0) this.ticks += 100;
    const table = new SocketTable(8);
    const holders = new HolderTable(8);
    for (const socket of content.sockets ?? []) {
      fillRow(table, socket, this.ticks);
      for (const process of socket.holders ?? []) holders.append(socket.id, process, 3);
    }
    for (const { id, holders: processes } of content.family ?? []) {
      for (const process of processes ?? []) holders.append(id ?? 0, process, 4);
    }
    const changes = new SocketTable(8);
    for (const { id, state, inode, bytes } of content.changes ?? []) {
      const row = changes.append();
      changes.id[row] = id;
      changes.state[row] = SocketState[state];
      changes.inode[row] = inode;
      fillBytes(changes, row, bytes);
    }
    const flows = new FlowTable(8);
    for (const flow of content.flows ?? []) {
      const told = typeof flow === "string" ? { line: flow, namespace: 0 } : flow;
      appendFlow(flows, told.line, told.namespace, this.ticks);
    }
    const flowChanges = new FlowTable(8);
    for (const line of content.flowChanges ?? []) appendFlow(flowChanges, line, 0, this.ticks);
    const parts = content.parts ?? 1;
    return encodeReport(
      Report.fromPartial({
        schema: 1,
        node: this.name,
        bootId: this.bootId,
        epoch: this.epoch,
        sequence: ++this.sequence,
        keyframe: content.keyframe ?? false,
        part: content.part ?? 0,
        parts,
        ticks: this.ticks,
        ageMs: content.ageMs ?? 0,
        ends: content.ends ?? false,
        ...((content.part ?? 0) === parts - 1
          ? { coverage: NodeCoverage.fromPartial({ node: this.name, reader: "test", ...content.coverage }) }
          : {}),
        namespaces: (content.namespaces ?? []).map((each) => ({
          id: 0,
          inode: 4_026_531_840,
          host: false,
          podUid: "",
          containerId: "",
          addresses: [],
          ...each,
        })),
        namespacesRemoved: [...(content.namespacesRemoved ?? [])],
        processes: (content.processes ?? []).map((each) => ProcessMessage.fromPartial(each)),
        processesRemoved: [...(content.processesRemoved ?? [])],
        socketsRemoved: idBytes(content.removed ?? []),
        holdersCleared: idBytes(content.cleared ?? []),
        flowsRemoved: idBytes(content.flowsRemoved ?? []),
        namespaceCoverage: (content.accounts ?? []).map((each) =>
          NamespaceCoverageMessage.fromPartial({ read: true, destroyed: "events", ...each }),
        ),
        familySockets: (content.family ?? []).map((each) => FamilySocketMessage.fromPartial(each)),
      }),
      {
        sockets: { table, from: 0, to: table.length },
        changes: { table: changes, from: 0, to: changes.length },
        holders: { table: holders, from: 0, to: holders.length },
        flows: { table: flows, from: 0, to: flows.length },
        flowChanges: { table: flowChanges, from: 0, to: flowChanges.length },
      },
    );
  }
}

function appendFlow(table: FlowTable, line: string, namespace: number, ticks: number): void {
  const entry = new ConntrackEntry();
  const bytes = Buffer.from(line);
  if (!new ConntrackLineParser(entry).parse(bytes, 0, bytes.length)) throw new Error(`no flow: ${line}`);
  const row = table.append();
  table.write(row, entry);
  table.id[row] = entry.id;
  table.namespace[row] = namespace;
  table.firstSeen[row] = ticks;
}

function fillRow(table: SocketTable, socket: TestSocket, ticks: number): void {
  const row = table.append();
  const local = parseEnd(socket.local);
  const remote = parseEnd(socket.remote ?? (socket.local.startsWith("[") ? "[::]:0" : "*:0"));
  const words = [...local.words, ...remote.words];
  for (const [at, word] of words.entries()) table.addresses[row * 8 + at] = word;
  table.id[row] = socket.id;
  table.namespace[row] = socket.namespace ?? 0;
  table.protocol[row] = Protocol[socket.protocol ?? "tcp"];
  table.family[row] = local.words[2] === 0xffff && local.words[0] === 0 ? 4 : 6;
  table.state[row] = SocketState[socket.state ?? "ESTABLISHED"];
  table.localPort[row] = local.port;
  table.remotePort[row] = remote.port;
  table.inode[row] = socket.inode ?? 1000 + socket.id;
  table.firstSeen[row] = socket.firstSeen ?? ticks;
  table.timer[row] = socket.timer ?? 0;
  table.timerDeadline[row] = socket.timerDeadline ?? 0;
  table.attempt[row] = Attempt[socket.attempt ?? "none"];
  table.retransmits[row] = socket.retransmits ?? 0;
  table.cookieLow[row] = socket.cookie ?? 0;
  fillBytes(table, row, socket.bytes);
}

function fillBytes(table: SocketTable, row: number, bytes: readonly [number, number] | undefined): void {
  if (bytes === undefined) return;
  table.counted[row] = 1;
  table.bytesSent[row] = bytes[0];
  table.bytesReceived[row] = bytes[1];
  table.rttMicros[row] = 250;
  table.totalRetransmits[row] = 2;
}

function parseEnd(text: string): { readonly words: Uint32Array; readonly port: number } {
  const colon = text.lastIndexOf(":");
  const host = text.slice(0, colon).replace(/^\[|\]$/g, "");
  const words = parseAddress(host === "*" ? "0.0.0.0" : host);
  if (words === null) throw new Error(`${text} is no address and port`);
  return { words, port: Number(text.slice(colon + 1)) };
}

function idBytes(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(ids).buffer);
}
