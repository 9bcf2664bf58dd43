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
  get id(): Column {
    return this._id;
  }

  get uid(): Column {
    return this._uid;
  }

  get recvQueue(): Column {
    return this._recvQueue;
  }

  get sendQueue(): Column {
    return this._sendQueue;
  }

  get timer(): Column {
    return this._timer;
  }

  /** Ticks since the agent's start. */
  get timerDeadline(): Column {
    return this._timerDeadline;
  }

  get retransmits(): Column {
    return this._retransmits;
  }

  get references(): Column {
    return this._references;
  }

  /** How an attempt to connect ended that never became a connection (Attempt in lib/words.ts). */
  get attempt(): Column {
    return this._attempt;
  }

  /** 1 where the agent's reader reports the four columns below, 0 where their zeros mean nothing. */
  get counted(): Column {
    return this._counted;
  }

  /** Bytes of payload that the other end acknowledged. */
  get bytesSent(): Column {
    return this._bytesSent;
  }

  /** Bytes of payload received. */
  get bytesReceived(): Column {
    return this._bytesReceived;
  }

  get rttMicros(): Column {
    return this._rttMicros;
  }

  get totalRetransmits(): Column {
    return this._totalRetransmits;
  }

  /** The kernel's cookie; both halves 0 where it is not known. */
  get cookieLow(): Column {
    return this._cookieLow;
  }

  get cookieHigh(): Column {
    return this._cookieHigh;
  }

  /** When the socket was first seen, in milliseconds since 1970 by the stream's clock; once gone, when it was last there. */
  get sinceMs(): Column {
    return this._sinceMs;
  }

  /** Number of the keyframe that last named the socket, modulo 256. */
  get keyframe(): Column {
    return this._keyframe;
  }

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
