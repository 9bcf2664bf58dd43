// Timers of sockets.

const timerWords = ["", "retransmit", "keepalive", "time-wait", "probe"] as const;

/** The word for a timer number of /proc/net/tcp's `tr` column; empty where none runs. */
export function timerWord(timer: number): string {
  return timerWords[timer] ?? "";
}
