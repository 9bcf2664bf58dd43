// Timers of sockets.

/** The words for the timer numbers of /proc/net/tcp's `tr` column, from 1 on; 0 means no timer. */
export const timerWords = ["retransmit", "keepalive", "time-wait", "probe"] as const;

/** The word for a timer number; empty if no timer runs. */
export function timerWord(timer: number): string {
  return timerWords[timer - 1] ?? "";
}
