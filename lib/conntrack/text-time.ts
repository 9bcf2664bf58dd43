// Times as `conntrack -o ktimestamp` prints them: ctime(3) in the local time zone, whole seconds.

const days = ["Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"] as const;
const months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"] as const;

const FORM = /^(\w{3}) (\w{3}) [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

/**
 * Parses a text like "Sun Nov 22 12:02:14 2026" into milliseconds since 1970; returns null if it is malformed.
 */
export function parseTextTime(text: string): number | null {
  if (!FORM.test(text)) return null;
  const time = Date.parse(text);
  // A nonexistent day or a wrong weekday does not survive the round trip.
  return Number.isNaN(time) || formatTextTime(time) !== text ? null : time;
}

/** Formats milliseconds since 1970. */
export function formatTextTime(timeMs: number): string {
  const date = new Date(timeMs);
  const clock = `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}`;
  const day = String(date.getDate()).padStart(2, " ");
  return `${days[date.getDay()]} ${months[date.getMonth()]} ${day} ${clock} ${date.getFullYear()}`;
}

function two(value: number): string {
  return String(value).padStart(2, "0");
}
