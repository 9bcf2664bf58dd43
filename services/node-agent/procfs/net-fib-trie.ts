// Parses /proc/<pid>/net/fib_trie (net/ipv4/fib_trie.c fib_trie_seq_show), the only table with a namespace's
// own IPv4 addresses. It prints the routing tables as trees: below a leaf "|-- 192.0.2.1" are its routes, and
// "/32 host LOCAL" marks the leaf as an address of an interface. An address appears once per routing table
// that contains it.

import { formatAddress, isLoopback, parseAddress } from "../../../lib/address.ts";

/**
 * Returns the IPv4 addresses of a namespace's interfaces, each once, without loopback; ignores malformed
 * lines.
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
