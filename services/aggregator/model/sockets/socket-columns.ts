// The columns of the socket table that change with every report. What joining reads of a socket is in its record instead
// (socket-rows.ts).

import { columnInPlace, growInPlace } from "../storage/capacity.ts";
import type { Column } from "../storage/column.ts";

/** Sockets at most: both ends of 2^21 connections, and 2^18 listeners. */
export const SOCKETS_MAX = 2 ** 22 + 2 ** 18;

/** Columns of sockets, read by everyone and written by the socket table. */
export class SocketColumns {
  protected readonly _id = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _uid = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _recvQueue = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _sendQueue = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _timer = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _timerDeadline = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _retransmits = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _references = columnInPlace(Uint16Array, SOCKETS_MAX);
  protected readonly _attempt = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _counted = columnInPlace(Uint8Array, SOCKETS_MAX);
  protected readonly _bytesSent = columnInPlace(Float64Array, SOCKETS_MAX);
  protected readonly _bytesReceived = columnInPlace(Float64Array, SOCKETS_MAX);
  protected readonly _rttMicros = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _totalRetransmits = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _cookieLow = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _cookieHigh = columnInPlace(Uint32Array, SOCKETS_MAX);
  protected readonly _sinceMs = columnInPlace(Float64Array, SOCKETS_MAX);
  protected readonly _keyframe = columnInPlace(Uint8Array, SOCKETS_MAX);

  /** The agent's id. */
  readonly id: Column = this._id;
  readonly uid: Column = this._uid;
  readonly recvQueue: Column = this._recvQueue;
  readonly sendQueue: Column = this._sendQueue;
  readonly timer: Column = this._timer;

  /** Ticks since the agent's start. */
  readonly timerDeadline: Column = this._timerDeadline;
  readonly retransmits: Column = this._retransmits;
  readonly references: Column = this._references;

  /** How an attempt to connect ended that never became a connection (Attempt in lib/vocabulary/outcomes.ts). */
  readonly attempt: Column = this._attempt;

  /** 1 where the agent's reader reports the four columns below, 0 where their zeros mean nothing. */
  readonly counted: Column = this._counted;

  /** Bytes of payload that the other end acknowledged. */
  readonly bytesSent: Column = this._bytesSent;

  /** Bytes of payload received. */
  readonly bytesReceived: Column = this._bytesReceived;
  readonly rttMicros: Column = this._rttMicros;
  readonly totalRetransmits: Column = this._totalRetransmits;

  /** The kernel's cookie; both halves 0 where it is not known. */
  readonly cookieLow: Column = this._cookieLow;
  readonly cookieHigh: Column = this._cookieHigh;

  /** When the socket was first seen, in milliseconds since 1970 by the stream's clock; once gone, when it was last there. */
  readonly sinceMs: Column = this._sinceMs;

  /** Number of the keyframe that last named the socket, modulo 256. */
  readonly keyframe: Column = this._keyframe;

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
        this._attempt,
        this._counted,
        this._bytesSent,
        this._bytesReceived,
        this._rttMicros,
        this._totalRetransmits,
        this._cookieLow,
        this._cookieHigh,
        this._sinceMs,
        this._keyframe,
      ],
      SOCKETS_MAX,
    );
  }
}
