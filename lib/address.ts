// IP addresses as four 32-bit words in network order, the form that every socket table uses (an IPv4 address
// is IPv4-mapped: 0, 0, 0xffff, address), and their text forms.

/** Formats an address in the canonical text form of its family (RFC 5952; IPv4-mapped as dotted quad). */
export function formatAddress(words: Uint32Array, offset: number): string {
  const a = words[offset]!;
  const b = words[offset + 1]!;
  const c = words[offset + 2]!;
  const d = words[offset + 3]!;
  if (a === 0 && b === 0 && c === 0xffff) return formatIpv4(d);
  return formatIpv6([a >>> 16, a & 0xffff, b >>> 16, b & 0xffff, c >>> 16, c & 0xffff, d >>> 16, d & 0xffff]);
}

function formatIpv4(word: number): string {
  return `${word >>> 24}.${(word >>> 16) & 255}.${(word >>> 8) & 255}.${word & 255}`;
}

// RFC 5952: the longest run of at least two zero groups (the first of equal ones) becomes "::".
function formatIpv6(groups: readonly number[]): string {
  let bestStart = -1;
  let bestLength = 1;
  let start = -1;
  for (let i = 0; i <= 8; i++) {
    if (i < 8 && groups[i] === 0) {
      if (start < 0) start = i;
    } else if (start >= 0) {
      if (i - start > bestLength) {
        bestStart = start;
        bestLength = i - start;
      }
      start = -1;
    }
  }
  const hex = (from: number, to: number): string =>
    groups
      .slice(from, to)
      .map((group) => group.toString(16))
      .join(":");
  return bestStart < 0 ? hex(0, 8) : `${hex(0, bestStart)}::${hex(bestStart + bestLength, 8)}`;
}

/**
 * Parses an address into four words; returns null if the text is not an address. Zone ids (%eth0) are dropped.
 */
export function parseAddress(text: string): Uint32Array | null {
  const words = new Uint32Array(4);
  const percent = text.indexOf("%");
  const bare = percent < 0 ? text : text.slice(0, percent);
  if (!bare.includes(":")) {
    const word = parseIpv4(bare);
    if (word === null) return null;
    words[2] = 0xffff;
    words[3] = word;
    return words;
  }
  const groups = parseIpv6Groups(bare);
  if (groups === null) return null;
  for (let i = 0; i < 4; i++) words[i] = ((groups[2 * i]! << 16) | groups[2 * i + 1]!) >>> 0;
  return words;
}

function parseIpv4(text: string): number | null {
  const parts = text.split(".");
  if (parts.length !== 4) return null;
  let word = 0;
  for (const part of parts) {
    if (!/^\d{1,3}$/.test(part) || Number(part) > 255) return null;
    word = ((word << 8) | Number(part)) >>> 0;
  }
  return word;
}

function parseIpv6Groups(text: string): number[] | null {
  const halves = text.split("::");
  if (halves.length > 2) return null;
  const left = parseHalf(halves[0]!);
  const right = halves.length === 2 ? parseHalf(halves[1]!) : [];
  if (left === null || right === null) return null;
  const missing = 8 - left.length - right.length;
  if (halves.length === 1 ? missing !== 0 : missing < 1) return null;
  return [...left, ...Array.from({ length: missing }, () => 0), ...right];
}

function parseHalf(text: string): number[] | null {
  if (text === "") return [];
  const groups: number[] = [];
  const parts = text.split(":");
  for (const [index, part] of parts.entries()) {
    if (index === parts.length - 1 && part.includes(".")) {
      const word = parseIpv4(part);
      if (word === null) return null;
      groups.push(word >>> 16, word & 0xffff);
    } else {
      if (!/^[0-9a-fA-F]{1,4}$/.test(part)) return null;
      groups.push(Number.parseInt(part, 16));
    }
  }
  return groups;
}

/** Parses an address into its 4 or 16 bytes in network order; returns null if the text is not an address. */
export function addressBytes(text: string): Uint8Array | null {
  const words = parseAddress(text);
  if (words === null) return null;
  const bytes = Buffer.alloc(16);
  for (let i = 0; i < 4; i++) bytes.writeUInt32BE(words[i]!, i * 4);
  return isIpv4(words, 0) ? bytes.subarray(12) : bytes;
}

/** Whether four words are an IPv4(-mapped) address. */
export function isIpv4(words: Uint32Array, offset: number): boolean {
  return words[offset] === 0 && words[offset + 1] === 0 && words[offset + 2] === 0xffff;
}

/** Whether an address is the wildcard (0.0.0.0 or ::). */
export function isWildcard(words: Uint32Array, offset: number): boolean {
  const c = words[offset + 2]!;
  return (
    words[offset] === 0 && words[offset + 1] === 0 && (c === 0 || c === 0xffff) && words[offset + 3] === 0
  );
}

/** Whether an address is local to one network namespace (127.0.0.0/8 or ::1). */
export function isLoopback(words: Uint32Array, offset: number): boolean {
  if (isIpv4(words, offset)) return words[offset + 3]! >>> 24 === 127;
  return words[offset] === 0 && words[offset + 1] === 0 && words[offset + 2] === 0 && words[offset + 3] === 1;
}

/** A range of addresses: network words and prefix length in bits (0 to 128). */
interface AddressRange {
  readonly words: Uint32Array;
  readonly bits: number;
}

/**
 * Parses "address" or "address/bits"; returns null if the text is neither. The bits of an IPv4 range count
 * within the mapped form.
 */
export function parseRange(text: string): AddressRange | null {
  const slash = text.indexOf("/");
  const words = parseAddress(slash < 0 ? text : text.slice(0, slash));
  if (words === null) return null;
  const ipv4 = isIpv4(words, 0) && !text.includes(":");
  const width = ipv4 ? 32 : 128;
  if (slash < 0) return { words, bits: 128 };
  const suffix = text.slice(slash + 1);
  if (!/^\d{1,3}$/.test(suffix) || Number(suffix) > width) return null;
  return { words, bits: Number(suffix) + (128 - width) };
}

/** Whether an address lies in a range. */
export function inRange(range: AddressRange, words: Uint32Array, offset: number): boolean {
  for (let i = 0; i < 4; i++) {
    const bits = Math.min(32, Math.max(0, range.bits - 32 * i));
    if (bits === 0) return true;
    const mask = bits === 32 ? 0xffffffff : ~(0xffffffff >>> bits) >>> 0;
    if (((words[offset + i]! ^ range.words[i]!) & mask) !== 0) return false;
  }
  return true;
}

/**
 * Whether the four words at an offset are all zero: `::`, or an IPv4 address that is not in the mapped form.
 */
function isUnset(words: Uint32Array, at: number): boolean {
  return words[at] === 0 && words[at + 1] === 0 && words[at + 2] === 0 && words[at + 3] === 0;
}

/**
 * Returns the family, 4 or 6, of the two addresses of an IPv6 socket: eight words at an offset. The socket
 * speaks IPv4 if both addresses are mapped, or if one is mapped and the other is unset (a listener's remote, a
 * connecting socket's local); the unset one is then rewritten to the mapped form. `::` on both sides stays
 * IPv6.
 */
export function familyOfWide(words: Uint32Array, at: number): number {
  const localMapped = isIpv4(words, at);
  const remoteMapped = isIpv4(words, at + 4);
  if (!localMapped && !remoteMapped) return 6;
  if (localMapped && remoteMapped) return 4;
  if (!isUnset(words, localMapped ? at + 4 : at)) return 6;
  words[localMapped ? at + 6 : at + 2] = 0xffff;
  return 4;
}
