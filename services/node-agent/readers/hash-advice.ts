// Advises how to make reading cheaper on this node; whotalks itself changes nothing. On kernels from 6.1 each
// new network namespace can have its own TCP hash (Documentation/networking/ip-sysctl.rst,
// tcp_child_ehash_entries). Without it the kernel walks the whole node's hash for each namespace whose table
// is read.

import { readText } from "../processes/small-file.ts";

/** Minimum number of network namespaces, and of buckets in the node's hash, for the advice to help. */
const NAMESPACES_MIN = 10;
const BUCKETS_MIN = 65_536;

/** Buckets that suffice for a pod's own connections. */
const BUCKETS_ADVISED = 4096;

/** Minimum milliseconds per namespace for the advice to be worth giving. */
const MS_MIN = 0.5;

/**
 * Returns the advice for a node whose namespaces take `msEach` milliseconds each; null if nothing would help.
 */
export function hashAdvice(procRoot: string, namespaces: number, msEach: number): string | null {
  const buckets = numberOf(`${procRoot}/sys/net/ipv4/tcp_ehash_entries`);
  const ofChildren = numberOf(`${procRoot}/sys/net/ipv4/tcp_child_ehash_entries`);
  return adviceFor(namespaces, msEach, buckets, ofChildren);
}

/**
 * Returns the same from the values of the sysctls: buckets of the node's hash and of a new namespace's hash;
 * null if the kernel lacks them.
 */
export function adviceFor(
  namespaces: number,
  msEach: number,
  buckets: number | null,
  ofChildren: number | null,
): string | null {
  if (namespaces < NAMESPACES_MIN || msEach < MS_MIN || ofChildren !== 0) return null;
  // Negative if this namespace itself shares the hash of another one.
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
