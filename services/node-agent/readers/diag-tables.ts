// What the reader `sock-diag` asks the kernel, and what it takes from /proc instead.

import { Protocol } from "../../../lib/vocabulary/protocols.ts";

/** Tables that no diag module has on any kernel (ping sockets): sock-diag takes them from /proc. */
export const tablesWithoutDiag: readonly string[] = ["icmp", "icmp6"];

/**
 * One question to sock_diag: the tables of /proc/<pid>/net that its answer covers, read there where it has
 * none.
 */
type DiagTable =
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
 * Everything that sock-diag asks of a namespace. Kernels may lack any of the modules behind it (udp_diag,
 * raw_diag, unix_diag, netlink_diag, packet_diag): the tables that they cover come from /proc there.
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
