// Durations as users write them (500ms, 1s, 2m, 1h) and as tables show them (kubectl's 45s, 3m12s, 5h3m, 12d).

const unitMs = new Map([
  ["ms", 1],
  ["s", 1000],
  ["m", 60_000],
  ["h", 3_600_000],
]);

/** Reads a duration into milliseconds; null where the text is none. Fractions are allowed (1.5s). */
export function parseDuration(text: string): number | null {
  const match = /^(\d{1,9}(?:\.\d{1,3})?)(ms|s|m|h)$/.exec(text);
  if (match === null) return null;
  return Math.round(Number(match[1]) * unitMs.get(match[2]!)!);
}

/** Writes milliseconds as the shortest form that parseDuration() reads. */
export function writeDuration(ms: number): string {
  for (const [unit, size] of [...unitMs].toReversed()) {
    if (ms >= size && ms % size === 0) return `${ms / size}${unit}`;
  }
  return `${ms}ms`;
}

/** Writes an age for a table, at most two units, as kubectl does; below a second as 0s. Negative ages count as 0. */
export function formatAge(ms: number): string {
  const seconds = Math.max(0, Math.floor(ms / 1000));
  if (seconds < 120) return `${seconds}s`;
  const minutes = Math.floor(seconds / 60);
  if (minutes < 10) return pair(minutes, "m", seconds % 60, "s");
  if (minutes < 180) return `${minutes}m`;
  const hours = Math.floor(minutes / 60);
  if (hours < 8) return pair(hours, "h", minutes % 60, "m");
  if (hours < 48) return `${hours}h`;
  const days = Math.floor(hours / 24);
  return days < 8 ? pair(days, "d", hours % 24, "h") : `${days}d`;
}

function pair(large: number, largeUnit: string, small: number, smallUnit: string): string {
  return small === 0 ? `${large}${largeUnit}` : `${large}${largeUnit}${small}${smallUnit}`;
}
