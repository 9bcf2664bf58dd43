// The network namespace of a test: data sent within it is acknowledged at once, and some addresses never
// answer, since they are at the other end of a pair of interfaces, at a hardware address that it does not
// have.

import { execFileSync } from "node:child_process";
import { writeFileSync } from "node:fs";

/** Addresses that neither answer nor refuse. */
export const silentAddresses = ["10.77.9.2", "fd77:9::2"] as const;

const commands = [
  "link set lo up",
  // Otherwise a FIN may wait 40 ms for its acknowledgement, and the next reading sees it wait.
  "route change local 127.0.0.0/8 dev lo proto kernel scope host src 127.0.0.1 table local quickack 1",
  "route change local 127.0.0.1 dev lo proto kernel scope host src 127.0.0.1 table local quickack 1",
  "-6 route add local ::1 dev lo table local metric 10 quickack 1",
  "-6 route del local ::1 dev lo table local proto kernel metric 0",
  "link add silent0 type veth peer name silent1",
  "link set silent0 up",
  "link set silent1 up",
  "address add 10.77.9.1/24 dev silent0",
  "address add fd77:9::1/64 dev silent0 nodad",
  ...silentAddresses.map((address) => `neighbour add ${address} lladdr 02:00:00:00:99:99 dev silent0`),
];

/**
 * Sets up the network namespace that this process is in. `ports` are given to who connects: by default few,
 * so that tuples come again.
 */
export function prepareNamespace({ ports = "20000 20999" } = {}): void {
  for (const words of commands) execFileSync("ip", words.split(" "));
  writeFileSync("/proc/sys/net/ipv4/ip_local_port_range", ports);
  // Those in TIME_WAIT may be used again after a second.
  writeFileSync("/proc/sys/net/ipv4/tcp_tw_reuse", "1");
}
