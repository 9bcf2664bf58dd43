// A connection's stable id: a hash of network, protocol, the pair of ends in either order, and birth, so that it is the
// same for both ends and for whoever computes it.

import { hexOfHashes, mixHash } from "../store/hash.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** What the two halves of the id begin with: digits of pi. */
export const UidSeed = { high: 0x243f6a88, low: 0x13198a2e } as const;

/** What makes an id. */
export interface UidParts {
  /** Inode of the network namespace where the addresses mean something there only; else 0. */
  readonly network: number;
  readonly protocol: number;
  /** Numbers of addresses, and ports. */
  readonly ends: readonly [UidEnd, UidEnd];
  /** When it was first seen by its agent's clock, in milliseconds since 1970. */
  readonly birthMs: number;
}

interface UidEnd {
  readonly address: number;
  readonly port: number;
}

/** One half of an id. */
export function hashForUid(
  tables: Tables,
  { network, protocol, ends, birthMs }: UidParts,
  seed: number,
): number {
  const both = hashEnd(tables, ends[0], protocol, seed) + hashEnd(tables, ends[1], protocol, seed);
  const birth = mixHash(mixHash(seed, Math.floor(birthMs / 2 ** 32)), birthMs % 2 ** 32);
  return mixHash(mixHash(mixHash(mixHash(seed, network), protocol), both), birth);
}

/** A connection's id as text. */
export function connectionUid({ connections }: Tables, connection: number): string {
  return hexOfHashes(connections.uidHigh[connection]!, connections.uidLow[connection]!);
}

function hashEnd(tables: Tables, { address, port }: UidEnd, protocol: number, seed: number): number {
  const hash = mixHash(seed, port);
  if (isFamily(protocol)) return mixHash(hash, address);
  const { words } = tables.addresses;
  const high = mixHash(mixHash(hash, words[address * 4]!), words[address * 4 + 1]!);
  return mixHash(mixHash(high, words[address * 4 + 2]!), words[address * 4 + 3]!);
}
