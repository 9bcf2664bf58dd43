// Log levels of the programs.

import { findWord } from "./word-list.ts";

/** All levels of pino, the most verbose first. */
export const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** One of logLevels. */
export type LogLevel = (typeof logLevels)[number];

/** Returns the level that a setting names; null if unknown. */
export function normalizeLogLevel(text: string): LogLevel | null {
  return findWord(logLevels, text, { warning: "warn" });
}
