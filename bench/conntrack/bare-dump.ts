// The lower bound: requests every entry of a namespace's conntrack table from the kernel and drops the answer.

import { conntrackDumpRequest } from "../../services/node-agent/conntrack/ctnetlink.ts";
import { hostIsLittleEndian } from "../../services/node-agent/kernel/byte-order.ts";
import { NETLINK_NETFILTER } from "../../services/node-agent/kernel/constants.ts";
import { dump, openNetlink } from "../../services/node-agent/kernel/netlink/netlink.ts";
import { inNetworkNamespace } from "../../services/node-agent/kernel/network-namespace.ts";
import { syscalls } from "../../services/node-agent/kernel/syscalls.ts";
import { serveRounds } from "../measure.ts";

const pid = JSON.parse(process.argv[2]!) as number;

await serveRounds(() => {
  const descriptor = inNetworkNamespace(`/proc/${pid}/ns/net`, () => openNetlink(NETLINK_NETFILTER));
  let entries = 0;
  dump(descriptor, conntrackDumpRequest(hostIsLittleEndian), () => entries++);
  syscalls().close(descriptor);
  return Promise.resolve({ entries });
});
