// Caches the addresses of each namespace's interfaces: they hardly change, and a node's routing table can be
// long. They decide which namespace answers for a socket that is bound to the wildcard address.

import { addressBytes } from "../../../lib/address.ts";
import { readText } from "../processes/small-file.ts";
import { localIpv4Addresses } from "../procfs/net-fib-trie.ts";
import { localIpv6Addresses } from "../procfs/net-if-inet6.ts";
import { jitter } from "./freshness/jitter.ts";

/**
 * Ticks of 10 ms for which a namespace's addresses are cached: 10 s, doubled each time they turn out
 * unchanged.
 */
const KEPT_TICKS = 1000;
/** Upper bound of that: 80 s. */
const KEPT_TICKS_MAX = 8000;
/** Steps by which readings of namespaces differ, up to half of the time that their addresses are cached. */
const JITTER_SLOTS = 16;

/** Maximum addresses of one namespace: with more, they no longer identify a host. */
const ADDRESSES_MAX = 4096;

interface Kept {
  readonly addresses: readonly Uint8Array[];
  readonly texts: string;
  readonly keptTicks: number;
  readonly untilTicks: number;
}

/** Reads and keeps the addresses of namespaces. */
export class InterfaceAddresses {
  readonly #procRoot: string;
  readonly #kept = new Map<number, Kept>();

  constructor(procRoot: string) {
    this.#procRoot = procRoot;
  }

  /**
   * Returns a namespace's addresses, read through one of its processes: 4 or 16 bytes each, without loopback.
   */
  of(namespaceInode: number, pid: number, nowTicks: number): readonly Uint8Array[] {
    const kept = this.#kept.get(namespaceInode);
    if (kept !== undefined && nowTicks < kept.untilTicks) return kept.addresses;
    const texts = [
      ...localIpv4Addresses(this.#table(pid, "fib_trie")),
      ...localIpv6Addresses(this.#table(pid, "if_inet6")),
    ];
    const text = texts.slice(0, ADDRESSES_MAX).join(" ");
    const same = kept?.texts === text;
    const keptTicks = same ? Math.min(KEPT_TICKS_MAX, kept.keptTicks * 2) : KEPT_TICKS;
    const addresses = same
      ? kept.addresses
      : texts.slice(0, ADDRESSES_MAX).flatMap((address) => addressBytes(address) ?? []);
    const untilTicks = nowTicks + keptTicks - jitter(namespaceInode, JITTER_SLOTS, keptTicks / 2);
    this.#kept.set(namespaceInode, { addresses, texts: text, keptTicks, untilTicks });
    for (const [inode, { untilTicks: until }] of this.#kept)
      if (until + KEPT_TICKS < nowTicks) this.#kept.delete(inode);
    return addresses;
  }

  #table(pid: number, name: string): string {
    const table = readText(`${this.#procRoot}/${pid}/net/${name}`);
    return "text" in table ? table.text : "";
  }
}
