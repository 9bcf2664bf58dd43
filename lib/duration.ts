// Durations as users write them: 500ms, 1s, 2m, 1h.

const unitMs = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** Parses a duration into milliseconds; returns null if it is malformed. Fractions are allowed (1.5s). */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
  if (match === null) return null;
  return Math.round(Number(match[1]) * unitMs.get(match[2]!)!);
}

/** Formats milliseconds in the shortest form that parseDuration() accepts. */
export function writeDuration(ms: number): string {
  for (const [unit, size] of [...unitMs].toReversed()) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}
