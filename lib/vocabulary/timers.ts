// Timers of sockets.

import { ticksOf } from "../ticks.ts";

/** Timer numbers of sockets, as net/ipv4/tcp_ipv4.c get_tcp4_sock() and get_timewait4_sock() print them. */
export const Timer = { retransmit: 1, keepalive: 2, timeWait: 3, probe: 4 } as const;

/** Milliseconds that an entry stays in TIME_WAIT: TCP_TIMEWAIT_LEN of include/net/tcp.h. */
export const TIME_WAIT_MS = 60_000;

/** The same in ticks. */
export const TIME_WAIT_TICKS = ticksOf(TIME_WAIT_MS);

/** The words for the timer numbers of /proc/net/tcp's `tr` column, from 1 on; 0 means no timer. */
export const timerWords = ["retransmit", "keepalive", "time-wait", "probe"] as const;

/** The word for a timer number; empty if no timer runs. */
export function timerWord(timer: number): string {
  return timerWords[timer - 1] ?? "";
}
