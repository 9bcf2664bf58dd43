// Protocols: their numbers, words and synonyms.

import { findWord } from "./word-list.ts";

/** IANA protocol numbers, and 255 for raw sockets, which carry any protocol. */
export const Protocol = {
  icmp: 1,
  igmp: 2,
  ipip: 4,
  tcp: 6,
  udp: 17,
  dccp: 33,
  rsvp: 46,
  gre: 47,
  esp: 50,
  ah: 51,
  icmpv6: 58,
  ospf: 89,
  pim: 103,
  vrrp: 112,
  l2tp: 115,
  sctp: 132,
  udplite: 136,
  raw: 255,
} as const;

/** Non-internet families in the aggregator's protocol column (IANA has not assigned these numbers). */
export const Family = { unix: 250, netlink: 251, packet: 252 } as const;

/** Whether a number of the aggregator's protocol column means one of the non-internet families. */
export function isFamily(protocol: number): boolean {
  return protocol >= Family.unix && protocol <= Family.packet;
}

type ProtocolWord = keyof typeof Protocol;
type FamilyWord = keyof typeof Family;

const PROTOCOL_NUMBER_MAX = 255;

const ipWords = Object.keys(Protocol) as ProtocolWord[];
const ipWordByNumber: ReadonlyMap<number, string> = new Map(ipWords.map((word) => [Protocol[word], word]));
const familyWords = Object.keys(Family) as FamilyWord[];
const familyWordByNumber: ReadonlyMap<number, string> = new Map(
  familyWords.map((word) => [Family[word], word]),
);

/** Every word for a protocol or a family. */
export const protocolWords: readonly string[] = [...ipWords, ...familyWords];

/**
 * The words that answers use for every internet protocol, also for those without a name: all of the aggregator's
 * protocol column but the families.
 */
export const internetProtocols: readonly string[] = Array.from(
  { length: PROTOCOL_NUMBER_MAX + 1 },
  (_, number) => number,
)
  .filter((number) => !isFamily(number))
  .map(protocolWord);

/** What a filter may name, for error messages. */
export const protocolChoices: readonly string[] = [
  ...protocolWords,
  `a number from 0 to ${Family.unix - 1} or ${Family.packet + 1} to ${PROTOCOL_NUMBER_MAX}`,
];

/** Other names for these protocols in /etc/protocols, the kernel and tcpdump. */
const synonyms: Readonly<Record<string, ProtocolWord>> = {
  ipencap: "ipip",
  icmp6: "icmpv6",
  "ipv6-icmp": "icmpv6",
  "rsvp-e2e": "rsvp",
  "ipsec-esp": "esp",
  "ipsec-ah": "ah",
  ospfigp: "ospf",
  carp: "vrrp",
  "udp-lite": "udplite",
};

/** The word for a protocol number; the number itself if it has none. */
export function protocolWord(number: number): string {
  return ipWordByNumber.get(number) ?? String(number);
}

/** The word for a number of the aggregator's protocol column. */
export function storeProtocolWord(number: number): string {
  return familyWordByNumber.get(number) ?? protocolWord(number);
}

/**
 * The word that answers use for the protocol that a filter names by its word, a synonym or its IANA number:
 * `tcp` for `TCP` and `6`, `99` for `99`. Null if unknown, also for the numbers of families, which are our
 * own.
 */
export function normalizeProtocol(text: string): string | null {
  const trimmed = text.trim();
  if (!/^\d{1,9}$/.test(trimmed)) return findWord(protocolWords, trimmed, synonyms);
  const number = Number(trimmed);
  return number <= PROTOCOL_NUMBER_MAX && !isFamily(number) ? protocolWord(number) : null;
}

/** Protocols with a word in conntrack's text forms (net/netfilter/nf_conntrack_standalone.c l4proto_name). */
const conntrackWords = ["icmp", "tcp", "udp", "dccp", "gre", "icmpv6", "sctp", "udplite"] as const;

/** The words of conntrack's text forms with their numbers; "unknown" means any other protocol. */
export const conntrackProtocols: ReadonlyArray<readonly [word: string, number: number]> = [
  ...conntrackWords.map((word) => [word, Protocol[word]] as const),
  ["unknown", 0],
];

/** The word for a protocol in conntrack's text forms; "unknown" if it has none. */
export function conntrackProtocolWord(protocol: number): string {
  return conntrackProtocols.find(([, number]) => number === protocol)?.[0] ?? "unknown";
}
