// What a reader finds about a socket at a time, and what the announcement of its end adds.

import { SocketState } from "../../lib/vocabulary/states.ts";
import type { Socket } from "./conversation.ts";

/** Offset of the cookies of TIME_WAIT entries that do not have their socket's cookie. */
const ENTRY_COOKIES = 1_000_000;

/** The columns of a socket that change. */
export interface Row {
  readonly state: number;
  readonly inode: number;
  /** Whether byte counts are known. */
  readonly counted: boolean;
  readonly sent: number;
  readonly received: number;
  readonly cookie: number;
  /** When it entered TIME_WAIT; null if it is not in it. */
  readonly timeWaitMs: number | null;
}

/** The inputs of a socket's row besides the socket. */
export interface Reading {
  readonly atMs: number;
  /** Whether the reader gets cookies and byte counts. */
  readonly counts: boolean;
  /** The row of the previous reading; null if there is none. */
  readonly before: Row | null;
  /** Whether the socket's end was announced since the previous reading. */
  readonly announced: boolean;
  /** Whether an entry whose end was not announced is omitted: an earlier report had it as ended. */
  readonly leavesOutEntries: boolean;
}

/** Returns the row of a socket, or of its TIME_WAIT entry; null if neither exists. */
export function rowOf(socket: Socket, reading: Reading): Row | null {
  const { bornMs, acceptedMs, destroyedMs, protocol, kind, sent, received } = socket;
  const { atMs, counts } = reading;
  if (atMs < bornMs) return null;
  if (atMs >= destroyedMs) return entryRow(socket, reading);
  if (counts) socket.wasAsked = true;
  const counted = counts && protocol === "tcp" && kind === "end";
  return {
    state: stateOf(socket, atMs),
    inode: atMs >= acceptedMs ? socket.inode : 0,
    counted,
    sent: counted ? sent / 2 : 0,
    received: counted ? received / 2 : 0,
    cookie: counts ? socket.cookie : 0,
    timeWaitMs: null,
  };
}

/** Returns the row of a socket that came and went between two readings. */
export function endedRow(socket: Socket): Row {
  return {
    state: socket.protocol === "tcp" ? SocketState.CLOSE : SocketState.ESTABLISHED,
    inode: 0,
    counted: false,
    sent: 0,
    received: 0,
    cookie: socket.cookie,
    timeWaitMs: null,
    ...lastFigures(socket),
  };
}

/** Returns the last row of a socket whose end was announced. */
export function finalRow(socket: Socket, before: Row): Row {
  const state = socket.protocol === "tcp" ? SocketState.CLOSE : before.state;
  return { ...before, state, timeWaitMs: null, ...lastFigures(socket) };
}

/** Whether a row's connection can still carry data. */
export function isOpenRow({ protocol }: Socket, { state }: Row): boolean {
  return protocol === "udp" || (state !== SocketState.TIME_WAIT && state !== SocketState.CLOSE);
}

/** Whether two rows are the same. */
export function isSameRow(a: Row, b: Row): boolean {
  return (
    a.state === b.state &&
    a.inode === b.inode &&
    a.counted === b.counted &&
    a.sent === b.sent &&
    a.received === b.received &&
    a.cookie === b.cookie
  );
}

// Without the announcement, an entry keeps what was known before.
function entryRow(
  socket: Socket,
  { atMs, counts, before, announced, leavesOutEntries }: Reading,
): Row | null {
  const { entry } = socket;
  if (entry === null || atMs >= entry.untilMs) return null;
  if (before === null && !announced && leavesOutEntries) return null;
  const figures = announced ? { counted: true, sent: socket.sent, received: socket.received } : before;
  return {
    state: atMs < entry.timeWaitMs ? SocketState.FIN_WAIT2 : SocketState.TIME_WAIT,
    inode: 0,
    counted: figures?.counted ?? false,
    sent: figures?.sent ?? 0,
    received: figures?.received ?? 0,
    cookie: entryCookie(socket, counts, announced, before),
    timeWaitMs: atMs < entry.timeWaitMs ? null : entry.timeWaitMs,
  };
}

// The kernel creates a cookie when it is first requested: an entry has its socket's cookie only if that was
// requested (net/ipv4/inet_timewait_sock.c inet_twsk_alloc). If tables have no cookies, the announcement's is
// used.
function entryCookie(socket: Socket, counts: boolean, announced: boolean, before: Row | null): number {
  if (counts) return socket.wasAsked ? socket.cookie : socket.cookie + ENTRY_COOKIES;
  return announced ? socket.cookie : (before?.cookie ?? 0);
}

// A local reset clears the counters (tcp_disconnect).
function lastFigures({ protocol, losesPort, sent, received }: Socket): Partial<Row> {
  return protocol === "tcp" && !losesPort ? { counted: true, sent, received } : {};
}

function stateOf({ kind, protocol, halfClosedMs }: Socket, atMs: number): number {
  if (kind === "listener") return protocol === "tcp" ? SocketState.LISTEN : SocketState.CLOSE;
  return atMs < halfClosedMs || protocol === "udp" ? SocketState.ESTABLISHED : SocketState.CLOSE_WAIT;
}
