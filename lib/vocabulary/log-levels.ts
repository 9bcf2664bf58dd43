// How much a program logs.

import { findWord } from "./word-list.ts";

/** Every level that pino has, the most first. */
export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** One of logLevels. */
export type LogLevel = (typeof logLevels)[number];

/** The level that a setting names; null if it is none. */
export function normalizeLogLevel(text: string): LogLevel | null {
  return findWord(logLevels, text, { warning: "warn" });
}
