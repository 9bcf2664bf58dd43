// Parses /proc/<pid>/net/if_inet6 (net/ipv6/addrconf.c if6_seq_show): a namespace's own IPv6 addresses, one
// per line.
//
//   address index prefix-length scope flags interface

import { formatAddress, isLoopback } from "../../../lib/address.ts";

const LINE =
  /^([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8})([0-9a-f]{8}) [0-9a-f]{2,8} [0-9a-f]{2} [0-9a-f]{2} [0-9a-f]{2,8} +\S/;

/** Returns the IPv6 addresses of a namespace's interfaces, without loopback; ignores malformed lines. */
export function localIpv6Addresses(text: string): readonly string[] {
  return text.split("\n").flatMap((line) => {
    const digits = LINE.exec(line);
    if (digits === null) return [];
    const words = Uint32Array.from(digits.slice(1), (word) => Number.parseInt(word, 16));
    return isLoopback(words, 0) ? [] : [formatAddress(words, 0)];
  });
}
