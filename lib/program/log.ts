// How the programs speak to their operators: one JSON line per event on stderr's or stdout's file descriptor.

import { pino } from "pino";

import type { LogLevel } from "../vocabulary/log-levels.ts";

/** What the stages log with: fields that machines read, then a sentence for people. */
export interface Log {
  debug(fields: object, message: string): void;
  info(fields: object, message: string): void;
  warn(fields: object, message: string): void;
  error(fields: object, message: string): void;
}

/**
 * A log that writes JSON lines with the program's name to standard output (where containers are expected to
 * log).
 */
export function createLog(program: string, level: LogLevel): Log {
  return pino({
    name: program,
    level,
    // The pod's name says which host it is; pid is 1 in a container.
    base: { name: program },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  });
}

/** How long the same trouble stays unrepeated in the log. */
const LOG_REPEAT_MS = 60_000;

/**
 * Topics that a throttle remembers at most; the oldest is forgotten, so that it may be logged once too often.
 */
const TOPICS_MAX = 64;

/** Lets the same trouble through once per LOG_REPEAT_MS, so that a retry loop does not fill the log. */
export class LogThrottle {
  readonly #lastMs = new Map<string, number>();
  readonly #monotonicMs: () => number;

  constructor(monotonicMs: () => number) {
    this.#monotonicMs = monotonicMs;
  }

  /** Whether the topic may be logged now; counts as logged where it may. */
  allows(topic: string): boolean {
    const now = this.#monotonicMs();
    const last = this.#lastMs.get(topic);
    if (last !== undefined && now - last < LOG_REPEAT_MS) return false;
    this.#lastMs.delete(topic);
    this.#lastMs.set(topic, now);
    if (this.#lastMs.size > TOPICS_MAX) this.#lastMs.delete(this.#lastMs.keys().next().value!);
    return true;
  }

  /** Forgets everything: the trouble is over, so the next one is news. */
  clear(): void {
    this.#lastMs.clear();
  }
}
