// What would make reading cheaper on this node, told and never done: on kernels from 6.1 each new network
// namespace can have a TCP hash of its own (Documentation/networking/ip-sysctl.rst, tcp_child_ehash_entries).
// Without it the kernel walks the whole node's hash for each namespace whose table is read.

import { readText } from "../processes/small-file.ts";

/** Network namespaces from which on, and buckets of the node's hash from which on, it would help. */
const NAMESPACES_MIN = 10;
const BUCKETS_MIN = 65_536;

/** Buckets that are enough for a pod's own connections. */
const BUCKETS_ADVISED = 4096;

/** Milliseconds that reading one namespace takes at least before it is worth a word. */
const MS_MIN = 0.5;

/** The sentence for a node whose namespaces take so many milliseconds each; null where nothing would help. */
export function hashAdvice(procRoot: string, namespaces: number, msEach: number): string | null {
  const buckets = numberOf(`${procRoot}/sys/net/ipv4/tcp_ehash_entries`);
  const ofChildren = numberOf(`${procRoot}/sys/net/ipv4/tcp_child_ehash_entries`);
  return adviceFor(namespaces, msEach, buckets, ofChildren);
}

/**
 * The same from the sysctls' values: buckets of the node's hash and of a new namespace's; null where there are
 * none.
 */
export function adviceFor(
  namespaces: number,
  msEach: number,
  buckets: number | null,
  ofChildren: number | null,
): string | null {
  if (namespaces < NAMESPACES_MIN || msEach < MS_MIN || ofChildren !== 0) return null;
  // Negative where this namespace itself shares another one's.
  if (buckets === null || Math.abs(buckets) < BUCKETS_MIN) return null;
  return (
    `The kernel walks a TCP hash of ${Math.abs(buckets)} buckets for each of ${namespaces} network namespaces, ` +
    `${msEach.toFixed(1)} ms each: with net.ipv4.tcp_child_ehash_entries=${BUCKETS_ADVISED} on the host before pods start ` +
    "it would cost some 20 times less (whotalks sets nothing)"
  );
}

function numberOf(path: string): number | null {
  const read = readText(path);
  const text = "text" in read ? read.text.trim() : "";
  return /^-?\d{1,15}$/.test(text) ? Number(text) : null;
}
