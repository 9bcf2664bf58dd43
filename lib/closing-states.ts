// What the state of a TCP socket says of its end.

import { SocketState } from "./words.ts";

/** Whether a socket in this state was closed by its process: FIN_WAIT1 to CLOSE, LAST_ACK and CLOSING. */
export function isClosing(state: number): boolean {
  return (
    (state >= SocketState.FIN_WAIT1 && state <= SocketState.CLOSE) ||
    state === SocketState.LAST_ACK ||
    state === SocketState.CLOSING
  );
}

/** Whether this is the state of an entry that outlives its socket: the rest of FIN_WAIT2 is one like TIME_WAIT's. */
export function isTimeWaitState(state: number): boolean {
  return state === SocketState.TIME_WAIT || state === SocketState.FIN_WAIT2;
}
