// Waiting: ask again until the answer is right or the time is up. No claim ever sleeps for a fixed time.

import { setTimeout as delay } from "node:timers/promises";

const pauseMs = 500;

/** Calls `attempt` until it no longer throws, and gives what it gave; after `deadlineMs` throws what it last threw. */
export async function eventually<T>(deadlineMs: number, attempt: () => Promise<T>): Promise<T> {
  const end = performance.now() + deadlineMs;
  for (;;) {
    try {
      return await attempt();
    } catch (error) {
      if (performance.now() >= end) throw error;
    }
    await delay(pauseMs);
  }
}

/** Calls `attempt` again and again for `durationMs`: what it checks must hold all the time. */
export async function always(durationMs: number, attempt: () => Promise<void>): Promise<void> {
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    await attempt();
    await delay(pauseMs);
  }
}
