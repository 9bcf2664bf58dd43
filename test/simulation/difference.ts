// Compares lists of lines.

/** The lines that only one of two lists has. */
export interface Difference {
  readonly missing: readonly string[];
  readonly extra: readonly string[];
}

/** Compares two lists, ignoring their order. Duplicate lines count as often as they occur. */
export function difference(expected: readonly string[], actual: readonly string[]): Difference {
  const counts = new Map<string, number>();
  for (const line of expected) counts.set(line, (counts.get(line) ?? 0) + 1);
  const extra: string[] = [];
  for (const line of actual) {
    const count = counts.get(line) ?? 0;
    if (count > 0) counts.set(line, count - 1);
    else extra.push(line);
  }
  const missing = [...counts].flatMap(([line, count]) => Array.from({ length: count }, () => line));
  return { missing, extra };
}

/** Whether two lists were the same. */
export function isEmpty({ missing, extra }: Difference): boolean {
  return missing.length + extra.length === 0;
}
