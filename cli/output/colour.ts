// Colours (ECMA-48 SGR), for terminals that want them.

import type { Tone } from "../views/view.ts";

const RESET = "\u001b[0m";
const codes: Readonly<Record<Tone | "header", string>> = {
  plain: "",
  quiet: "\u001b[2m",
  bad: "\u001b[31m",
  header: "\u001b[1m",
};

/** Colours a line in its tone if colours are on. */
export function coloured(line: string, tone: Tone | "header", on: boolean): string {
  const code = codes[tone];
  return on && code !== "" ? `${code}${line}${RESET}` : line;
}
