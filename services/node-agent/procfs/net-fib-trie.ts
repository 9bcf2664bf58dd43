// /proc/<pid>/net/fib_trie (net/ipv4/fib_trie.c fib_trie_seq_show): the only table that tells a namespace's
// own IPv4 addresses. It shows the routing tables as trees: below a leaf "|-- 192.0.2.1" stand its routes, and
// "/32 host LOCAL" says that the leaf is an address of an interface. An address comes once per routing table
// that has it.

import { formatAddress, isLoopback, parseAddress } from "../../../lib/address.ts";

/**
 * The IPv4 addresses of a namespace's interfaces, loopback left out, each once; lines that make no sense tell
 * none.
 */
export function localIpv4Addresses(text: string): readonly string[] {
  const addresses = new Set<string>();
  let leaf: Uint32Array | null = null;
  for (const line of text.split("\n")) {
    const trimmed = line.trimStart();
    if (trimmed.startsWith("|-- ")) leaf = parseAddress(trimmed.slice("|-- ".length));
    else if (trimmed === "/32 host LOCAL" && leaf !== null && !isLoopback(leaf, 0))
      addresses.add(formatAddress(leaf, 0));
  }
  return [...addresses];
}
