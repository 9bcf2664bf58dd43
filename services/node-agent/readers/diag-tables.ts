// Lists the sock_diag requests of the reader `sock-diag`, and the tables that it reads from /proc instead.

import { Protocol } from "../../../lib/vocabulary/protocols.ts";

/** Tables without a diag module on any kernel (ping sockets): sock-diag reads them from /proc. */
export const tablesWithoutDiag: readonly string[] = ["icmp", "icmp6"];

/**
 * One sock_diag request and the tables of /proc/<pid>/net that its answer covers; they are read from /proc if
 * the kernel does not support the request.
 */
type DiagTable =
  | {
      readonly kind: "inet";
      readonly name: string;
      readonly protocol: number;
      /** Null if one request covers both families. */
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
 * All requests of sock-diag for one namespace. A kernel may lack any of the modules that serve them (udp_diag,
 * raw_diag, unix_diag, netlink_diag, packet_diag); the tables that these cover then come from /proc.
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
