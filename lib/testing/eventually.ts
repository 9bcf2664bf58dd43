// Waiting for a test's condition: poll until it holds or the deadline passes. No test sleeps for a fixed time.

import { setTimeout as delay } from "node:timers/promises";

const pauseMs = 500;

/**
 * Calls `attempt` until it no longer throws and returns its result; after `deadlineMs`, throws its last error.
 */
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

/** Calls `attempt` repeatedly for `durationMs`: it must succeed every time. */
export async function always(durationMs: number, attempt: () => Promise<void>): Promise<void> {
  const end = performance.now() + durationMs;
  while (performance.now() < end) {
    await attempt();
    await delay(pauseMs);
  }
}

/** Polls `probe` until its result is neither false nor undefined and returns it; throws after `timeoutMs`. */
export async function until<Value>(
  what: string,
  probe: () => Value | undefined | false | Promise<Value | undefined | false>,
  timeoutMs = 20_000,
): Promise<Value> {
  const end = performance.now() + timeoutMs;
  for (;;) {
    const value = await probe();
    if (value !== undefined && value !== false) return value;
    if (performance.now() > end) throw new Error(`gave up after ${timeoutMs} ms: ${what}`);
    await delay(10);
  }
}
