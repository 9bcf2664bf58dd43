// A node's agent, as far as its reports go: looks at the kernels' state of a history from pass to pass and reports what
// changed, with the ids, times and rows that services/node-agent would give. It notes which witness each report has.

import { FlowStatus } from "../../lib/conntrack/flow-status.ts";
import { SocketState, TcpFlowState } from "../../lib/vocabulary/states.ts";
import { FlowTable } from "../../lib/flow-table.ts";
import type { NetworkNamespace } from "../../lib/gen/whotalks/v1/report.ts";
import { NodeCoverage, ProcessInfo, Report } from "../../lib/gen/whotalks/v1/report.ts";
import { HolderTable } from "../../lib/holder-table.ts";
import { encodeReport } from "../../lib/report-codec.ts";
import { SocketTable } from "../../lib/socket-table.ts";
import { Protocol } from "../../lib/vocabulary/protocols.ts";
import type { Node } from "./cluster.ts";
import { HOST_NAMESPACE, localAddressBytes } from "./cluster.ts";
import type { Flow, History, Socket, Spot } from "./history.ts";
import type { AgentTraits } from "./scenario.ts";

/** When histories begin, in milliseconds since 1970. */
export const START_MS = 1_700_000_100_000;
/** How often conntrack's table is dumped beside events, in milliseconds. */
const DUMP_MS = 5000;
const TICK_MS = 10;
/** Cookies of TIME_WAIT entries that have not their socket's. */
const ENTRY_COOKIES = 1_000_000;

/** What a report says of a socket. */
export interface SocketSighting {
  readonly socket: Socket;
  readonly isOpen: boolean;
  /** Whether the report is the last one that has it. */
  readonly ended: boolean;
  readonly held: boolean;
  readonly counted: boolean;
  readonly sent: number;
  readonly received: number;
}

/** A report and what it says. */
export interface RenderedReport {
  readonly node: Node;
  readonly atMs: number;
  readonly keyframe: boolean;
  readonly bytes: Uint8Array;
  readonly sockets: readonly SocketSighting[];
  readonly flows: readonly Flow[];
}

interface Row {
  readonly state: number;
  readonly inode: number;
  /** Whether byte counts are known. */
  readonly counted: boolean;
  readonly sent: number;
  readonly received: number;
  readonly cookie: number;
}

interface Told {
  readonly id: number;
  readonly firstSeen: number;
  row: Row;
  held: boolean;
}

interface ToldFlow {
  readonly id: number;
  readonly firstSeen: number;
  state: number;
  status: number;
}

/** Ids as services/node-agent/observe/id-pool.ts hands them out. */
class Ids {
  #next = 1;
  #free: number[] = [];
  #returned: number[] = [];

  take(): number {
    return this.#free.pop() ?? this.#next++;
  }

  giveBack(id: number): void {
    this.#returned.push(id);
  }

  settle(): void {
    this.#free.push(...this.#returned);
    this.#returned = [];
  }
}

/** What one report has. */
interface Content {
  readonly sockets: SocketTable;
  readonly changes: SocketTable;
  readonly holders: HolderTable;
  readonly removed: number[];
  readonly flows: FlowTable;
  readonly flowChanges: FlowTable;
  readonly flowsRemoved: number[];
  readonly seen: SocketSighting[];
  readonly seenFlows: Flow[];
}

/** An agent from its start on. */
export class Agent {
  readonly #node: Node;
  readonly #traits: AgentTraits;
  readonly #accounting: boolean;
  readonly #startMs: number;
  readonly #sockets: readonly Socket[];
  readonly #flows: readonly Flow[];
  readonly #ids = new Ids();
  readonly #flowIds = new Ids();
  readonly #told = new Map<Socket, Told>();
  readonly #toldFlows = new Map<Flow, ToldFlow>();
  #processes = new Set<number>();
  #passes = 0;
  #sequence = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #dumpMs = Number.NEGATIVE_INFINITY;

  constructor(node: Node, traits: AgentTraits, accounting: boolean, history: History, startMs: number) {
    this.#node = node;
    this.#traits = traits;
    this.#accounting = accounting;
    this.#startMs = startMs;
    this.#sockets = history.sockets.filter(({ place }) => place.node === node);
    this.#flows = history.flows.filter((flow) => flow.node === node);
  }

  /** The report of a pass at a time of the history. */
  pass(atMs: number, keyframe: boolean): RenderedReport {
    const content: Content = {
      sockets: new SocketTable(16),
      changes: new SocketTable(8),
      holders: new HolderTable(16),
      removed: [],
      flows: new FlowTable(8),
      flowChanges: new FlowTable(8),
      flowsRemoved: [],
      seen: [],
      seenFlows: [],
    };
    const ended = this.#tellSockets(content, atMs, keyframe);
    for (const socket of ended) this.#tellEnded(content, socket);
    if (this.#traits.conntrack !== "none") this.#tellFlows(content, atMs, keyframe);
    const bytes = this.#encode(content, atMs, keyframe);
    this.#ids.settle();
    this.#flowIds.settle();
    this.#lastMs = atMs;
    this.#passes++;
    const { seen, seenFlows } = content;
    return { node: this.#node, atMs, keyframe, bytes, sockets: seen, flows: seenFlows };
  }

  // Gives the sockets that came and went since the pass before, the one that ended first first.
  #tellSockets(content: Content, atMs: number, keyframe: boolean): Socket[] {
    const ended: Socket[] = [];
    for (const socket of this.#sockets) {
      const told = this.#told.get(socket);
      const row = this.#rowOf(socket, told, atMs);
      if (row !== null) this.#tellLiving(content, socket, told, row, atMs, keyframe);
      else if (told !== undefined) this.#tellGone(content, socket, told, atMs, keyframe);
      else if (this.#isHeard(socket, atMs) && this.#isWhole(socket)) ended.push(socket);
    }
    return ended.toSorted((a, b) => a.destroyedMs - b.destroyedMs);
  }

  #tellLiving(
    content: Content,
    socket: Socket,
    told: Told | undefined,
    row: Row,
    atMs: number,
    keyframe: boolean,
  ): void {
    const { ticks } = this.#timeOf(atMs);
    const now = told ?? { id: this.#ids.take(), firstSeen: ticks, row, held: false };
    // TIME_WAIT keeps the holders that it had, and of who was not seen before the listener's.
    const held = now.held || row.inode !== 0 || (told === undefined && this.#isListenedFor(socket));
    const isNew = told === undefined || keyframe;
    if (isNew) this.#append(content.sockets, socket, now.id, now.firstSeen, row);
    else if (!isSameRow(told.row, row)) this.#append(content.changes, socket, now.id, now.firstSeen, row);
    if (held && (isNew || !now.held)) content.holders.append(now.id, socket.place.process, 3);
    now.row = row;
    now.held = held;
    this.#told.set(socket, now);
    content.seen.push(sighting(socket, row, held));
  }

  #tellGone(content: Content, socket: Socket, told: Told, atMs: number, keyframe: boolean): void {
    const isEntry = told.row.inode === 0 && socket.destroyedMs <= this.#lastMs;
    if (this.#isHeard(socket, atMs) && !isEntry) {
      const isTcp = socket.protocol === "tcp";
      const row: Row = {
        ...told.row,
        state: isTcp ? SocketState.CLOSE : told.row.state,
        counted: isTcp,
        sent: isTcp ? socket.sent : 0,
        received: isTcp ? socket.received : 0,
      };
      this.#append(keyframe ? content.sockets : content.changes, socket, told.id, told.firstSeen, row);
      // A keyframe has the holders of what is still there alone.
      content.seen.push({ ...sighting(socket, row, told.held && !keyframe), isOpen: false, ended: true });
    }
    if (!keyframe || (this.#isHeard(socket, atMs) && !isEntry)) content.removed.push(told.id);
    this.#told.delete(socket);
    this.#ids.giveBack(told.id);
  }

  #tellEnded(content: Content, socket: Socket): void {
    const isTcp = socket.protocol === "tcp";
    const id = this.#ids.take();
    this.#ids.giveBack(id);
    const row: Row = {
      state: isTcp ? SocketState.CLOSE : SocketState.ESTABLISHED,
      inode: 0,
      counted: isTcp,
      sent: isTcp ? socket.sent : 0,
      received: isTcp ? socket.received : 0,
      cookie: socket.cookie,
    };
    const endedTicks = this.#timeOf(socket.destroyedMs).ticks;
    this.#append(content.sockets, socket, id, endedTicks, row);
    const held = isTcp && this.#isListenedFor(socket);
    if (held) content.holders.append(id, socket.place.process, 3);
    content.removed.push(id);
    content.seen.push({ ...sighting(socket, row, held), isOpen: false, ended: true });
  }

  #rowOf(socket: Socket, told: Told | undefined, atMs: number): Row | null {
    const { bornMs, destroyedMs, entry, protocol } = socket;
    if (atMs < bornMs) return null;
    const cookie = this.#traits.counts ? socket.cookie : 0;
    if (atMs >= destroyedMs) {
      if (entry === null || atMs >= entry.untilMs) return null;
      const heard = this.#isHeard(socket, atMs);
      // Without its event an entry has what was known before.
      const counted = heard || told?.row.counted === true;
      const known = heard ? socket : told?.row;
      // What has had its event in an earlier pass was told there.
      if (told === undefined && !heard && this.#traits.hears && this.#passes > 0) return null;
      return {
        state: atMs < entry.timeWaitMs ? SocketState.FIN_WAIT2 : SocketState.TIME_WAIT,
        inode: 0,
        counted,
        sent: counted ? known!.sent : 0,
        received: counted ? known!.received : 0,
        cookie: this.#entryCookie(socket, told, heard),
      };
    }
    if (this.#traits.counts) socket.wasAsked = true;
    const isTcp = protocol === "tcp";
    const counted = isTcp && socket.kind === "end" && this.#traits.counts;
    return {
      state: stateOf(socket, atMs),
      inode: atMs >= socket.acceptedMs ? socket.inode : 0,
      counted,
      sent: counted ? socket.sent / 2 : 0,
      received: counted ? socket.received / 2 : 0,
      cookie,
    };
  }

  // The kernel gives a cookie when it is first asked for one: an entry has its socket's only where that was asked for
  // (net/ipv4/inet_timewait_sock.c). Without cookies in the table the announcement's is taken.
  #entryCookie(socket: Socket, told: Told | undefined, heard: boolean): number {
    if (this.#traits.counts) return socket.wasAsked ? socket.cookie : socket.cookie + ENTRY_COOKIES;
    if (heard) return socket.cookie;
    return told?.row.cookie ?? 0;
  }

  // Whether the socket's end is among the announcements that this pass takes.
  #isHeard({ destroyedMs, kind }: Socket, atMs: number): boolean {
    if (!this.#traits.hears || this.#passes === 0 || kind === "listener") return false;
    return destroyedMs > this.#lastMs && destroyedMs <= atMs;
  }

  // A socket that lost its remote port is known again by its row, or by its other end on the same node.
  #isWhole(socket: Socket): boolean {
    if (!socket.losesPort) return true;
    return this.#sockets.some(
      (other) =>
        other !== socket &&
        other.kind === "end" &&
        other.local.port === socket.remote.port &&
        other.remote.port === socket.local.port &&
        other.local.address.text === socket.remote.address.text &&
        other.remote.address.text === socket.local.address.text,
    );
  }

  #isListenedFor(socket: Socket): boolean {
    return (
      socket.protocol === "tcp" &&
      this.#sockets.some(
        (other) =>
          other.kind === "listener" &&
          other.protocol === "tcp" &&
          other.place.namespace === socket.place.namespace &&
          other.local.port === socket.local.port,
      )
    );
  }

  #tellFlows(content: Content, atMs: number, keyframe: boolean): void {
    const { conntrack } = this.#traits;
    const byEvents = conntrack === "events";
    const dumps = !byEvents || this.#passes === 0 || atMs >= this.#dumpMs + DUMP_MS;
    if (dumps) this.#dumpMs = atMs;
    for (const flow of this.#flows) {
      const told = this.#toldFlows.get(flow);
      if (flow.bornMs <= atMs && flow.goneMs > atMs) {
        const heard = byEvents && this.#passes > 0 && flow.bornMs > this.#lastMs;
        if (told === undefined && !heard && !dumps) continue;
        const firstSeen = this.#timeOf(heard ? flow.bornMs : atMs).ticks;
        const now = told ?? { id: this.#flowIds.take(), firstSeen, state: -1, status: 0 };
        const isFresh = dumps || told === undefined;
        const state = isFresh ? flowStateAt(flow, heard && !dumps ? flow.bornMs : atMs) : now.state;
        const status = isFresh ? flowStatusAt(flow, heard && !dumps ? flow.bornMs : atMs) : now.status;
        const changed = state !== now.state || status !== now.status;
        now.state = state;
        now.status = status;
        if (told === undefined || keyframe) this.#appendFlow(content.flows, flow, now);
        else if (changed) this.#appendFlow(content.flowChanges, flow, now);
        this.#toldFlows.set(flow, now);
        content.seenFlows.push(flow);
      } else if (told !== undefined) {
        told.state = flowStateAt(flow, atMs);
        told.status = flowStatusAt(flow, atMs);
        if (!keyframe) {
          if (byEvents) this.#appendFlow(content.flowChanges, flow, told);
          content.flowsRemoved.push(told.id);
        }
        this.#toldFlows.delete(flow);
        this.#flowIds.giveBack(told.id);
      } else if (byEvents && this.#passes > 0 && flow.bornMs > this.#lastMs && flow.goneMs <= atMs) {
        const id = this.#flowIds.take();
        this.#flowIds.giveBack(id);
        this.#appendFlow(content.flows, flow, {
          id,
          firstSeen: this.#timeOf(flow.bornMs).ticks,
          state: flowStateAt(flow, atMs),
          status: flowStatusAt(flow, atMs),
        });
        content.flowsRemoved.push(id);
        content.seenFlows.push(flow);
      }
    }
  }

  #append(table: SocketTable, socket: Socket, id: number, firstSeen: number, row: Row): void {
    const to = table.append();
    table.id[to] = id;
    table.namespace[to] = socket.place.namespace;
    table.protocol[to] = Protocol[socket.protocol];
    table.family[to] = socket.family;
    table.state[to] = row.state;
    table.addresses.set(socket.local.address.words, to * 8);
    table.addresses.set(socket.remote.address.words, to * 8 + 4);
    table.localPort[to] = socket.local.port;
    table.remotePort[to] = socket.remote.port;
    table.inode[to] = row.inode;
    table.firstSeen[to] = firstSeen;
    table.cookieLow[to] = row.cookie;
    table.counted[to] = row.counted ? 1 : 0;
    table.bytesSent[to] = row.sent;
    table.bytesReceived[to] = row.received;
  }

  #appendFlow(table: FlowTable, flow: Flow, { id, firstSeen, state, status }: ToldFlow): void {
    const to = table.append();
    table.id[to] = id;
    table.namespace[to] = HOST_NAMESPACE;
    table.protocol[to] = Protocol[flow.protocol];
    table.family[to] = flow.family;
    table.state[to] = flow.protocol === "tcp" ? state : 0;
    table.status[to] = status;
    for (const [place, { address, port }] of spotsOf(flow).entries()) {
      table.addresses.set(address.words, to * 16 + place * 4);
      table.ports[to * 4 + place] = port;
    }
    table.firstSeen[to] = firstSeen;
    if (!this.#accounting) return;
    const replied = (status & FlowStatus.seenReply) !== 0;
    table.counters.set(replied ? [9, 900, 8, 8000] : [1, 60, 0, 0], to * 4);
  }

  #encode(content: Content, atMs: number, keyframe: boolean): Uint8Array {
    const node = this.#node;
    const holding = new Set<number>();
    for (const [socket, { held }] of this.#told) if (held) holding.add(socket.place.process);
    for (let row = 0; row < content.holders.length; row++) holding.add(content.holders.process[row]!);
    const added = [...holding].filter((id) => keyframe || !this.#processes.has(id));
    const removed = keyframe ? [] : [...this.#processes].filter((id) => !holding.has(id));
    this.#processes = holding;
    const { sockets, changes, holders, flows, flowChanges } = content;
    const { ticks } = this.#timeOf(atMs);
    return encodeReport(
      Report.fromPartial({
        schema: 1,
        node: node.name,
        bootId: "boot",
        epoch: START_MS + this.#startMs,
        sequence: ++this.#sequence,
        keyframe,
        part: 0,
        parts: 1,
        ticks,
        coverage: NodeCoverage.create({
          node: node.name,
          reader: "simulated",
          conntrack: this.#traits.conntrack,
          intervalMs: this.#passes === 0 ? 0 : atMs - this.#lastMs,
        }),
        namespaces: keyframe ? namespacesOf(node) : [],
        processes: added.map((id) => processOf(node, id)),
        processesRemoved: removed,
        socketsRemoved: idBytes(content.removed),
        flowsRemoved: idBytes(content.flowsRemoved),
      }),
      {
        sockets: { table: sockets, from: 0, to: sockets.length },
        changes: { table: changes, from: 0, to: changes.length },
        holders: { table: holders, from: 0, to: holders.length },
        flows: { table: flows, from: 0, to: flows.length },
        flowChanges: { table: flowChanges, from: 0, to: flowChanges.length },
      },
    );
  }

  #timeOf(atMs: number): { readonly ticks: number } {
    return { ticks: Math.max(0, Math.floor((atMs - this.#startMs) / TICK_MS)) };
  }
}

function stateOf({ kind, protocol, halfClosedMs }: Socket, atMs: number): number {
  if (kind === "listener") return protocol === "tcp" ? SocketState.LISTEN : SocketState.CLOSE;
  return atMs < halfClosedMs || protocol === "udp" ? SocketState.ESTABLISHED : SocketState.CLOSE_WAIT;
}

function sighting(socket: Socket, row: Row, held: boolean): SocketSighting {
  const { counted, sent, received, state } = row;
  const isOpen =
    socket.protocol === "udp" || (state !== SocketState.TIME_WAIT && state !== SocketState.CLOSE);
  return { socket, isOpen, ended: false, held, counted, sent, received };
}

function isSameRow(a: Row, b: Row): boolean {
  return (
    a.state === b.state &&
    a.inode === b.inode &&
    a.counted === b.counted &&
    a.sent === b.sent &&
    a.received === b.received &&
    a.cookie === b.cookie
  );
}

function spotsOf({ original, reply }: Flow): Spot[] {
  return [...original, ...reply];
}

// The first packet makes the entry, the second and third establish it.
function flowStateAt({ bornMs, endMs, reset }: Flow, atMs: number): number {
  if (atMs <= bornMs) return TcpFlowState.synSent;
  if (atMs < endMs) return TcpFlowState.established;
  return reset ? TcpFlowState.close : TcpFlowState.timeWait;
}

function flowStatusAt(flow: Flow, atMs: number): number {
  const [client, dialled] = flow.original;
  const [server, seenAs] = flow.reply;
  let status: number = FlowStatus.confirmed;
  if (client.address !== seenAs.address || client.port !== seenAs.port) status |= FlowStatus.sourceNat;
  if (dialled.address !== server.address || dialled.port !== server.port) status |= FlowStatus.destinationNat;
  return atMs <= flow.bornMs ? status : status | FlowStatus.seenReply | FlowStatus.assured;
}

function namespacesOf({ places }: Node): NetworkNamespace[] {
  const byId = new Map<number, NetworkNamespace>();
  for (const place of places) {
    const host = place.namespace === HOST_NAMESPACE;
    byId.set(place.namespace, {
      id: place.namespace,
      inode: place.inode,
      host,
      podUid: host ? "" : place.podUid,
      containerId: "",
      addresses: localAddressBytes(place),
    });
  }
  return [...byId.values()];
}

function processOf({ places }: Node, id: number): ProcessInfo {
  const { namespace, processName, podUid } = places.find(({ process }) => process === id)!;
  return ProcessInfo.fromPartial({
    id,
    pid: 100 + id,
    startTicks: 1,
    name: processName,
    exe: `/${processName}`,
    namespace: namespace + 1,
    podUid,
  });
}

function idBytes(ids: readonly number[]): Uint8Array {
  return new Uint8Array(Uint32Array.from(ids).buffer);
}
