// Parses links like /proc/<pid>/ns/net, whose target is the text "net:[4026531840]".

import { readlinkSync } from "node:fs";

/** Returns the inode of the network namespace in a link's text; null if the text has another form. */
export function parseNamespaceLink(text: string): number | null {
  const digits = /^net:\[(\d{1,15})\]$/.exec(text)?.[1];
  return digits === undefined ? null : Number(digits);
}

/** Returns the inode of the network namespace that a link refers to; 0 if it cannot be read. */
export function inodeOfLink(path: string): number {
  try {
    return parseNamespaceLink(readlinkSync(path)) ?? 0;
  } catch {
    return 0;
  }
}
