// How much a program logs.

/** Every level, the least first. */
export const logLevels = ["silent", "error", "warn", "info", "debug"] as const;

/** One of logLevels. */
export type LogLevel = (typeof logLevels)[number];
