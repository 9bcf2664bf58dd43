// What each reader has no way to see, in one place: what it takes from /proc instead, and what is missing of its rows.

import { Protocol } from "../../../lib/words.ts";
import type { ReaderName } from "./reader-names.ts";

/** Tables that no diag module has on any kernel (ping sockets): sock-diag takes them from /proc. */
export const tablesWithoutDiag: readonly string[] = ["icmp", "icmp6"];

/** One question to sock_diag: the tables of /proc/<pid>/net that its answer covers, read there where it has none. */
export type DiagTable =
  | {
      readonly kind: "inet";
      readonly name: string;
      readonly protocol: number;
      /** Null where one question is for both families. */
      readonly family: 4 | 6 | null;
      readonly covers: readonly string[];
    }
  | {
      readonly kind: "unix" | "netlink" | "packet";
      readonly name: string;
      readonly covers: readonly string[];
    };

function datagrams(name: string, protocol: number): readonly DiagTable[] {
  return [
    { kind: "inet", name, protocol, family: 4, covers: [name] },
    { kind: "inet", name: `${name}6`, protocol, family: 6, covers: [`${name}6`] },
  ];
}

/**
 * Everything that sock-diag asks of a namespace. Kernels may lack any of the modules behind it (udp_diag, raw_diag,
 * unix_diag, netlink_diag, packet_diag): the tables that they cover come from /proc there.
 */
export const diagTables: readonly DiagTable[] = [
  { kind: "inet", name: "tcp", protocol: Protocol.tcp, family: null, covers: ["tcp", "tcp6"] },
  ...datagrams("udp", Protocol.udp),
  ...datagrams("udplite", Protocol.udplite),
  ...datagrams("raw", Protocol.raw),
  { kind: "unix", name: "unix", covers: ["unix"] },
  { kind: "netlink", name: "netlink", covers: ["netlink"] },
  { kind: "packet", name: "packet", covers: ["packet"] },
];

/** Columns of internet sockets that a reader leaves 0. */
export const columnsUnseen: Readonly<Record<ReaderName, readonly string[]>> = {
  procfs: [
    "dualStack",
    "cookieLow",
    "cookieHigh",
    "counted",
    "bytesSent",
    "bytesReceived",
    "rttMicros",
    "totalRetransmits",
  ],
  "sock-diag": ["references"],
  // What it tells itself (TCP sockets that a file refers to) it tells whole; the others it takes from a reader within.
  "bpf-iter": [],
};

/**
 * Unix sockets that unix_diag leaves out: those without an inode, which are connections that wait for accept(). The
 * client's end of them is there.
 */
export function isSeenByUnixDiag(socket: { readonly inode: number }): boolean {
  return socket.inode !== 0;
}
