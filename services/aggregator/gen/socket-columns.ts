// Generated from services/aggregator/model/sockets/socket.columns.ts by scripts/generate-tables.ts: do not edit.

import type { SocketColumns as Reported } from "../../../lib/gen/tables/socket-columns.ts";
import { columnInPlace, growInPlace } from "../model/storage/capacity.ts";
import type { Column } from "../model/storage/column.ts";

/** Sockets: both ends of 2^21 connections, and 2^18 listeners. */
export const SOCKETS_MAX = 4456448;

/**
 * Columns of sockets, read by everyone and written by the socket table. Fields that matching reads are in the
 * socket's record instead (socket-rows.ts). A row takes 75 bytes.
 */
export class SocketColumns {
  protected readonly _id = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _uid = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _recvQueue = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _sendQueue = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _timer = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _timerDeadline = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _retransmits = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _references = columnInPlace(Uint16Array, SOCKETS_MAX);
  protected readonly _cookieLow = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _cookieHigh = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _counted = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _bytesSent = columnInPlace(Float64Array, SOCKETS_MAX);
  protected readonly _bytesReceived = columnInPlace(Float64Array, SOCKETS_MAX);
  protected readonly _rttMicros = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _totalRetransmits = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _attempt = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _sinceMs = columnInPlace(Float64Array, SOCKETS_MAX);
  protected readonly _bornAfterMs = columnInPlace(Float64Array, SOCKETS_MAX);
  protected readonly _keyframe = columnInPlace(Uint8Array, SOCKETS_MAX);

  /** The agent's id. */
  readonly id: Column = this._id;

  /** User id of the owner. */
  readonly uid: Column = this._uid;

  /** Bytes not yet read; for a listener, connections not yet accepted. */
  readonly recvQueue: Column = this._recvQueue;

  /** Bytes not yet acknowledged. */
  readonly sendQueue: Column = this._sendQueue;

  /** Which timer runs (0 none, 1 retransmit, 2 keepalive, 3 time-wait, 4 zero-window probe). */
  readonly timer: Column = this._timer;

  /** When the timer ends, in ticks of 10 ms since the epoch's start; 0 if none runs. */
  readonly timerDeadline: Column = this._timerDeadline;

  /** Unanswered retransmissions, at most 255. */
  readonly retransmits: Column = this._retransmits;

  /** Reference count, at most 65535. */
  readonly references: Column = this._references;

  /** Low half of the kernel's cookie of the socket; both halves are 0 if the reader cannot see it. */
  readonly cookieLow: Column = this._cookieLow;

  /** High half of the cookie. */
  readonly cookieHigh: Column = this._cookieHigh;

  /**
   * 1 if the other columns of this group are known (TCP, by readers that can see them); 0 if their zeros mean
   * nothing.
   */
  readonly counted: Column = this._counted;

  /** Bytes of payload that the other end acknowledged since the connection began. */
  readonly bytesSent: Column = this._bytesSent;

  /** Bytes of payload received from the other end since the connection began. */
  readonly bytesReceived: Column = this._bytesReceived;

  /** Smoothed round trip time in microseconds. */
  readonly rttMicros: Column = this._rttMicros;

  /** Segments retransmitted since the connection began. */
  readonly totalRetransmits: Column = this._totalRetransmits;

  /**
   * The result of a failed attempt to connect: 1 the other end answered with a reset, 2 no answer; 0 for all
   * others and if it is unknown. The remote port of such a socket may be 0: a blocking connect() that fails
   * clears the port before it can be read.
   */
  readonly attempt: Column = this._attempt;

  /**
   * When the socket was first seen, in milliseconds since 1970 by the stream's clock; once gone, when it last
   * existed.
   */
  readonly sinceMs: Column = this._sinceMs;

  /**
   * When the socket was created, at the earliest, in milliseconds since 1970 by the stream's clock: the pass
   * before it was first seen; 0 if no pass before is known.
   */
  readonly bornAfterMs: Column = this._bornAfterMs;

  /** Number of the keyframe that last named the socket, modulo 256. */
  readonly keyframe: Column = this._keyframe;

  /** Copies what every reader can see. */
  protected copyReported(slot: number, from: Reported, row: number): void {
    this._uid[slot] = from.uid[row]!;
    this._recvQueue[slot] = from.recvQueue[row]!;
    this._sendQueue[slot] = from.sendQueue[row]!;
    this._timer[slot] = from.timer[row]!;
    this._timerDeadline[slot] = from.timerDeadline[row]!;
    this._retransmits[slot] = from.retransmits[row]!;
    this._references[slot] = from.references[row]!;
    this._attempt[slot] = from.attempt[row]!;
  }

  /** Clears what copyReported() copies. */
  protected clearReported(slot: number): void {
    this._uid[slot] = 0;
    this._recvQueue[slot] = 0;
    this._sendQueue[slot] = 0;
    this._timer[slot] = 0;
    this._timerDeadline[slot] = 0;
    this._retransmits[slot] = 0;
    this._references[slot] = 0;
    this._attempt[slot] = 0;
  }

  /** Copies the cookie. */
  protected copyCookie(slot: number, from: Reported, row: number): void {
    this._cookieLow[slot] = from.cookieLow[row]!;
    this._cookieHigh[slot] = from.cookieHigh[row]!;
  }

  /** Clears the cookie. */
  protected clearCookie(slot: number): void {
    this._cookieLow[slot] = 0;
    this._cookieHigh[slot] = 0;
  }

  /** Copies the counters. */
  protected copyCounters(slot: number, from: Reported, row: number): void {
    this._counted[slot] = from.counted[row]!;
    this._bytesSent[slot] = from.bytesSent[row]!;
    this._bytesReceived[slot] = from.bytesReceived[row]!;
    this._rttMicros[slot] = from.rttMicros[row]!;
    this._totalRetransmits[slot] = from.totalRetransmits[row]!;
  }

  /** Grows the columns that grow in place by one step. */
  protected growInPlace(): void {
    growInPlace(
      [
        this._id,
        this._uid,
        this._recvQueue,
        this._sendQueue,
        this._timer,
        this._timerDeadline,
        this._retransmits,
        this._references,
        this._cookieLow,
        this._cookieHigh,
        this._counted,
        this._bytesSent,
        this._bytesReceived,
        this._rttMicros,
        this._totalRetransmits,
        this._attempt,
        this._sinceMs,
        this._bornAfterMs,
        this._keyframe,
      ],
      SOCKETS_MAX,
    );
  }
}
