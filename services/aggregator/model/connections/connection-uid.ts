// A connection's stable id: a hash of network, protocol, the pair of ends in either order, and birth, so that
// both ends and every aggregator compute the same id.

import type { AddressTable } from "../addresses/address-table.ts";
import { mixHash } from "../../../../lib/hash.ts";
import { isFamily } from "../../../../lib/vocabulary/protocols.ts";
import type { Column } from "../storage/column.ts";

type AddressWords = Pick<AddressTable, "words">;

/** The seeds of the two halves of the id: digits of pi. */
const SEED_HIGH = 0x243f6a88;
const SEED_LOW = 0x13198a2e;

/** The fields that identify a connection. */
export interface ConnectionIdentity {
  /** Inode of the network namespace if the addresses are meaningful only there, else 0. */
  readonly network: number;
  /** When it was first seen by its agent's clock, in milliseconds since 1970. */
  readonly birthMs: number;
  readonly protocol: number;
  /** Address numbers; for unix sockets, inodes. */
  readonly addressA: number;
  readonly portA: number;
  readonly addressB: number;
  readonly portB: number;
}

/** The upper half of a connection's id. */
export function uidHighOf(addresses: AddressWords, identity: ConnectionIdentity): number {
  return halfOf(addresses.words, identity, SEED_HIGH);
}

/** The lower half of a connection's id. */
export function uidLowOf(addresses: AddressWords, identity: ConnectionIdentity): number {
  return halfOf(addresses.words, identity, SEED_LOW);
}

/** A connection's id as text. */
export function uidText(
  { uidHigh, uidLow }: { readonly uidHigh: Column; readonly uidLow: Column },
  connection: number,
): string {
  return hexOf(uidHigh[connection]!) + hexOf(uidLow[connection]!);
}

function hexOf(half: number): string {
  return (half >>> 0).toString(16).padStart(8, "0");
}

function halfOf(words: Uint32Array, identity: ConnectionIdentity, seed: number): number {
  const { network, birthMs, protocol, addressA, portA, addressB, portB } = identity;
  const birthHigh = Math.floor(birthMs / 2 ** 32);
  const birthLow = birthMs - birthHigh * 2 ** 32;
  const hashA = mixHash(seed, portA);
  const hashB = mixHash(seed, portB);
  const both = isFamily(protocol)
    ? mixHash(hashA, addressA) + mixHash(hashB, addressB)
    : mixAddress(hashA, words, addressA) + mixAddress(hashB, words, addressB);
  const birth = mixHash(mixHash(seed, birthHigh), birthLow);
  return mixHash(mixHash(mixHash(mixHash(seed, network), protocol), both), birth);
}

function mixAddress(hash: number, words: Uint32Array, address: number): number {
  const high = mixHash(mixHash(hash, words[address * 4]!), words[address * 4 + 1]!);
  return mixHash(mixHash(high, words[address * 4 + 2]!), words[address * 4 + 3]!);
}
