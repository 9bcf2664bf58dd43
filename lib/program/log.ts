// The programs' log: one JSON line per event.

import { pino } from "pino";

import type { LogLevel } from "../vocabulary/log-levels.ts";

/** The log that all stages use: fields for machines, then a sentence for people. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * Creates a log that writes JSON lines with the program's name to standard output, where containers are
 * expected to log.
 */
export function createLog(program: string, level: LogLevel): Log {
  return pino({
    name: program,
    level,
    // The pod's name identifies the host; pid is 1 in a container.
    base: { name: program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}

/** How long a repeated problem is suppressed in the log. */
const LOG_REPEAT_MS = 60_000;

/**
 * Topics that a throttle remembers at most. The oldest is evicted and may therefore be logged once too often.
 */
const TOPICS_MAX = 64;

/** Lets a problem through once per LOG_REPEAT_MS, so that a retry loop does not fill the log. */
export class LogThrottle {
  readonly #lastMs = new Map<string, number>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Returns whether the topic may be logged now; if so, counts it as logged. */
  allows(topic: string): boolean {
    const now = this.#monotonicMs();
    const last = this.#lastMs.get(topic);
    if (last !== undefined && now - last < LOG_REPEAT_MS) return false;
    this.#lastMs.delete(topic);
    this.#lastMs.set(topic, now);
    if (this.#lastMs.size > TOPICS_MAX) this.#lastMs.delete(this.#lastMs.keys().next().value!);
    return true;
  }

  /** Forgets everything: the problem is over, so the next one is logged at once. */
  clear(): void {
    this.#lastMs.clear();
  }
}
