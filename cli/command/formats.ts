// The output formats.

/** The formats of -o. */
export const formats = ["table", "wide", "json", "yaml", "csv", "name"] as const;

/** A format of -o. */
export type Format = (typeof formats)[number];

/** Whether a format is one of the two tables, which can be refreshed live. */
export function isTable(format: Format): format is "table" | "wide" {
  return format === "table" || format === "wide";
}
