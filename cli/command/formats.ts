// The forms in which answers are printed.

/** The forms of -o. */
export const formats = ["table", "wide", "json", "yaml", "csv", "name"] as const;

/** A form of -o. */
export type Format = (typeof formats)[number];

/** Whether a format is one of the two tables, which can be kept up to date. */
export function isTable(format: Format): format is "table" | "wide" {
  return format === "table" || format === "wide";
}
