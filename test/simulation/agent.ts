// Simulates the reports of a node's agent: reads the kernel's state in each pass and reports what changed,
// with the ids, times and rows that services/node-agent would send. It records the witnesses in each report.

import type { NetworkNamespace } from "../../lib/gen/whotalks/v1/report.ts";
import { NodeCoverage, ProcessInfo } from "../../lib/gen/whotalks/v1/report.ts";
import type { Node } from "./cluster.ts";
import { HOST_NAMESPACE, localAddressBytes } from "./cluster.ts";
import type { Flow, History, Socket } from "./conversation.ts";
import { isSpot, shareNamespace } from "./conversation.ts";
import { Ids } from "./ids.ts";
import type { FlowRow, SocketSighting } from "./report-content.ts";
import { flowStateAt, flowStatusAt, ReportContent } from "./report-content.ts";
import type { AgentTraits } from "./scenario.ts";
import type { Row } from "./socket-rows.ts";
import { endedRow, finalRow, isOpenRow, isSameRow, rowOf } from "./socket-rows.ts";

/** Start of all histories, in milliseconds since 1970. */
export const START_MS = 1_700_000_100_000;
/** Interval of conntrack dumps in addition to events, in milliseconds. */
const DUMP_MS = 5000;
const TICK_MS = 10;
/** Latency of a report from its pass to the stream, in milliseconds: a minimum, and a spread. */
const LATENCY_MS = 3;
const LATENCY_SPREAD_MS = 25;

/** A report and its witnesses. */
export interface RenderedReport {
  readonly node: Node;
  /** The time of its pass, and the earliest time at which it is in the stream. */
  readonly atMs: number;
  readonly publishedMs: number;
  /** Its time by the stream's clock, less what it waited in its agent. */
  readonly timeMs: number;
  readonly bytes: Uint8Array;
  readonly sockets: readonly SocketSighting[];
  readonly flows: readonly Flow[];
}

/** What an agent remembers about a socket that it reported. */
interface Known {
  readonly id: number;
  readonly firstSeen: number;
  row: Row;
  held: boolean;
}

/** An agent, from its start. */
export class Agent {
  readonly #node: Node;
  readonly #traits: AgentTraits;
  readonly #accounting: boolean;
  readonly #startMs: number;
  readonly #sockets: readonly Socket[];
  readonly #flows: readonly Flow[];
  readonly #ids = new Ids();
  readonly #flowIds = new Ids();
  readonly #known = new Map<Socket, Known>();
  readonly #knownFlows = new Map<Flow, FlowRow>();
  #processes: ReadonlySet<number> = new Set();
  #sequence = 0;
  #passes = 0;
  #lastMs = Number.NEGATIVE_INFINITY;
  #dumpMs = Number.NEGATIVE_INFINITY;
  // Whether the agent was stopped before the current pass: announcements waited, and bear the time at which
  // they are read.
  #wasStopped = false;

  constructor(node: Node, traits: AgentTraits, accounting: boolean, history: History, startMs: number) {
    this.#node = node;
    this.#traits = traits;
    this.#accounting = accounting;
    this.#startMs = startMs;
    this.#sockets = history.sockets.filter(({ place }) => place.node === node);
    this.#flows = history.flows.filter((flow) => flow.node === node);
  }

  /** Returns the report of a pass at a time of the history. */
  pass(
    atMs: number,
    { keyframe, wasStopped }: { readonly keyframe: boolean; readonly wasStopped: boolean },
  ): RenderedReport {
    this.#wasStopped = wasStopped;
    const content = new ReportContent(this.#accounting, (ms) => this.#ticksOf(ms));
    const ended: Socket[] = [];
    for (const socket of this.#sockets) if (this.#report(content, socket, atMs, keyframe)) ended.push(socket);
    // Sockets that came and went are last, in order of their ends.
    for (const socket of ended.toSorted((a, b) => a.destroyedMs - b.destroyedMs))
      this.#reportEnded(content, socket, atMs);
    if (this.#traits.conntrack !== "none") this.#reportFlows(content, atMs, keyframe);
    const bytes = this.#encode(content, atMs, keyframe);
    this.#ids.settle();
    this.#flowIds.settle();
    this.#lastMs = atMs;
    this.#passes++;
    const latencyMs = LATENCY_MS + ((this.#sequence * 7 + this.#node.index * 11) % LATENCY_SPREAD_MS);
    const { sightings, flows } = content;
    return {
      node: this.#node,
      atMs,
      publishedMs: atMs + latencyMs,
      timeMs: atMs + latencyMs,
      bytes,
      sockets: sightings,
      flows,
    };
  }

  // Returns true if the socket came and went since the previous pass.
  #report(content: ReportContent, socket: Socket, atMs: number, keyframe: boolean): boolean {
    const known = this.#known.get(socket);
    const row = rowOf(socket, {
      atMs,
      counts: this.#traits.counts,
      before: known?.row ?? null,
      announced: this.#isAnnounced(socket, atMs),
      leavesOutEntries: this.#traits.hears && this.#passes > 0,
    });
    if (row !== null) this.#reportLiving(content, socket, row, atMs, keyframe);
    else if (known !== undefined) this.#reportGone(content, socket, known, atMs, keyframe);
    else return this.#isAnnounced(socket, atMs) && this.#isWhole(socket);
    return false;
  }

  #reportLiving(content: ReportContent, socket: Socket, row: Row, atMs: number, keyframe: boolean): void {
    const before = this.#known.get(socket);
    const known = before ?? { id: this.#ids.take(), firstSeen: this.#ticksOf(atMs), row, held: false };
    // An entry keeps the holders of its socket; if the socket was never seen, it has the listener's.
    const held = known.held || row.inode !== 0 || (before === undefined && this.#hasListener(socket));
    const isNew = before === undefined || keyframe;
    if (isNew) content.addSocket("new", socket, known.id, known.firstSeen, row);
    else if (!isSameRow(known.row, row)) content.addSocket("changed", socket, known.id, known.firstSeen, row);
    if (held && (isNew || !known.held)) content.addHolder(known.id, socket.place.process);
    known.row = row;
    known.held = held;
    this.#known.set(socket, known);
    content.sightings.push({ socket, isOpen: isOpenRow(socket, row), ended: false, held, row });
  }

  #reportGone(content: ReportContent, socket: Socket, known: Known, atMs: number, keyframe: boolean): void {
    const { id, firstSeen } = known;
    const isAnnounced = this.#isAnnounced(socket, atMs);
    if (isAnnounced) {
      const row = finalRow(socket, known.row);
      content.addSocket(keyframe ? "new" : "changed", socket, id, firstSeen, row);
      // A keyframe has holders only for sockets that still exist.
      const held = known.held && !keyframe;
      content.sightings.push({ socket, isOpen: false, ended: true, held, row });
    }
    if (!keyframe || isAnnounced) content.removed.push(id);
    this.#known.delete(socket);
    this.#ids.giveBack(id);
  }

  #reportEnded(content: ReportContent, socket: Socket, atMs: number): void {
    const id = this.#ids.take();
    this.#ids.giveBack(id);
    const row = endedRow(socket);
    content.addSocket("new", socket, id, this.#ticksOf(this.#announcedMs(socket.destroyedMs, atMs)), row);
    const held = this.#hasListener(socket);
    if (held) content.addHolder(id, socket.place.process);
    content.removed.push(id);
    content.sightings.push({ socket, isOpen: false, ended: true, held, row });
  }

  // Whether this pass receives the announcement of the socket's end; the first pass receives none.
  #isAnnounced({ destroyedMs, kind }: Socket, atMs: number): boolean {
    if (!this.#traits.hears || this.#passes === 0 || kind === "listener") return false;
    return destroyedMs > this.#lastMs && destroyedMs <= atMs;
  }

  // When the announcement of an event is read, for the agent.
  #announcedMs(eventMs: number, atMs: number): number {
    return this.#wasStopped ? atMs : eventMs;
  }

  // A socket that lost its remote port is identified by its other end, if that is on the same node.
  #isWhole(socket: Socket): boolean {
    if (!socket.losesPort) return true;
    return this.#sockets.some(
      (other) =>
        other.kind === "end" && isSpot(other.local, socket.remote) && isSpot(other.remote, socket.local),
    );
  }

  #hasListener({ protocol, place, local }: Socket): boolean {
    return (
      protocol === "tcp" &&
      this.#sockets.some(
        (other) =>
          other.kind === "listener" &&
          other.protocol === "tcp" &&
          shareNamespace(other.place, place) &&
          other.local.port === local.port,
      )
    );
  }

  #reportFlows(content: ReportContent, atMs: number, keyframe: boolean): void {
    const byEvents = this.#traits.conntrack === "events";
    const dumps = !byEvents || this.#passes === 0 || atMs >= this.#dumpMs + DUMP_MS;
    if (dumps) this.#dumpMs = atMs;
    for (const flow of this.#flows) {
      const known = this.#knownFlows.get(flow);
      const isHeard = byEvents && this.#passes > 0 && flow.bornMs > this.#lastMs && flow.bornMs <= atMs;
      if (flow.bornMs <= atMs && flow.goneMs > atMs)
        this.#reportLivingFlow(content, flow, { atMs, keyframe, dumps, isHeard });
      else if (known !== undefined) this.#reportGoneFlow(content, flow, known, atMs, keyframe);
      else if (isHeard) {
        const id = this.#flowIds.take();
        this.#flowIds.giveBack(id);
        content.addFlow(
          "new",
          flow,
          flowRowAt(flow, id, this.#ticksOf(this.#announcedMs(flow.bornMs, atMs)), atMs),
        );
        content.flowsRemoved.push(id);
        content.flows.push(flow);
      }
    }
  }

  // Events announce only the creation and removal of an entry; dumps find its changes in between.
  #reportLivingFlow(
    content: ReportContent,
    flow: Flow,
    {
      atMs,
      keyframe,
      dumps,
      isHeard,
    }: Readonly<Record<"keyframe" | "dumps" | "isHeard", boolean>> & {
      readonly atMs: number;
    },
  ): void {
    const before = this.#knownFlows.get(flow);
    if (before === undefined && !isHeard && !dumps) return;
    const id = before?.id ?? this.#flowIds.take();
    const firstSeen =
      before?.firstSeen ?? this.#ticksOf(isHeard ? this.#announcedMs(flow.bornMs, atMs) : atMs);
    const isFresh = dumps || before === undefined;
    const row = isFresh ? flowRowAt(flow, id, firstSeen, dumps ? atMs : flow.bornMs) : before;
    if (before === undefined || keyframe) content.addFlow("new", flow, row);
    else if (row.state !== before.state || row.status !== before.status)
      content.addFlow("changed", flow, row);
    this.#knownFlows.set(flow, row);
    content.flows.push(flow);
  }

  #reportGoneFlow(
    content: ReportContent,
    flow: Flow,
    { id, firstSeen }: FlowRow,
    atMs: number,
    keyframe: boolean,
  ): void {
    this.#knownFlows.delete(flow);
    this.#flowIds.giveBack(id);
    if (keyframe) return;
    if (this.#traits.conntrack === "events")
      content.addFlow("changed", flow, flowRowAt(flow, id, firstSeen, atMs));
    content.flowsRemoved.push(id);
  }

  #encode(content: ReportContent, atMs: number, keyframe: boolean): Uint8Array {
    const { name, places } = this.#node;
    const holding = new Set(content.holders());
    for (const [socket, { held }] of this.#known) if (held) holding.add(socket.place.process);
    const before = this.#processes;
    this.#processes = holding;
    const added = [...holding].filter((id) => keyframe || !before.has(id));
    const isNew = ({ bornMs }: { readonly bornMs: number }): boolean =>
      bornMs <= atMs && (keyframe || bornMs > this.#lastMs);
    return content.encode({
      node: name,
      bootId: "boot",
      epoch: START_MS + this.#startMs,
      sequence: ++this.#sequence,
      keyframe,
      ticks: this.#ticksOf(atMs),
      coverage: NodeCoverage.create({
        node: name,
        reader: "simulated",
        conntrack: this.#traits.conntrack,
        intervalMs: this.#passes === 0 ? 0 : atMs - this.#lastMs,
      }),
      namespaces: namespacesOf(this.#node, isNew),
      processes: added.map((id) => processOf(places, id)),
      processesRemoved: keyframe ? [] : [...before].filter((id) => !holding.has(id)),
    });
  }

  #ticksOf(atMs: number): number {
    return Math.max(0, Math.floor((atMs - this.#startMs) / TICK_MS));
  }
}

function flowRowAt(flow: Flow, id: number, firstSeen: number, atMs: number): FlowRow {
  return { id, firstSeen, state: flowStateAt(flow, atMs), status: flowStatusAt(flow, atMs) };
}

function namespacesOf(
  { places }: Node,
  isIncluded: (place: Node["places"][number]) => boolean,
): NetworkNamespace[] {
  const byId = new Map<number, NetworkNamespace>();
  for (const place of places.filter(isIncluded)) {
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

function processOf(places: Node["places"], id: number): ProcessInfo {
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
