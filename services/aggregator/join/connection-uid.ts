// A connection's stable id: a hash of network, protocol, the pair of ends in either order, and birth, so that it is the
// same for both ends and for whoever computes it.

import { hexOfHashes, mixHash } from "../store/hash.ts";
import { isFamily } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";

/** What the two halves of the id begin with: digits of pi. */
const SEED_HIGH = 0x243f6a88;
const SEED_LOW = 0x13198a2e;

/**
 * Gives a connection its id. `network` is the inode of the network namespace where the addresses mean something there
 * only, else 0; addresses are numbers of the address table; birthMs is when it was first seen by its agent's clock, in
 * milliseconds since 1970.
 */
export function setConnectionUid(
  tables: Tables,
  connection: number,
  network: number,
  birthMs: number,
  protocol: number,
  addressA: number,
  portA: number,
  addressB: number,
  portB: number,
): void {
  const { uidHigh, uidLow } = tables.connections;
  const birthHigh = Math.floor(birthMs / 2 ** 32);
  const birthLow = birthMs - birthHigh * 2 ** 32;
  for (let half = 0; half < 2; half++) {
    const seed = half === 0 ? SEED_HIGH : SEED_LOW;
    const both =
      hashEnd(tables, protocol, addressA, portA, seed) + hashEnd(tables, protocol, addressB, portB, seed);
    const birth = mixHash(mixHash(seed, birthHigh), birthLow);
    const uid = mixHash(mixHash(mixHash(mixHash(seed, network), protocol), both), birth);
    if (half === 0) uidHigh[connection] = uid;
    else uidLow[connection] = uid;
  }
}

/** A connection's id as text. */
export function connectionUid({ connections }: Tables, connection: number): string {
  return hexOfHashes(connections.uidHigh[connection]!, connections.uidLow[connection]!);
}

function hashEnd(tables: Tables, protocol: number, address: number, port: number, seed: number): number {
  const hash = mixHash(seed, port);
  if (isFamily(protocol)) return mixHash(hash, address);
  const { words } = tables.addresses;
  const high = mixHash(mixHash(hash, words[address * 4]!), words[address * 4 + 1]!);
  return mixHash(mixHash(high, words[address * 4 + 2]!), words[address * 4 + 3]!);
}
