// Whether tests of events can run here.

import { openTcpEvents } from "../open-tcp-events.ts";

/** Why the kernel reports no events here; false where it does. */
export function withoutEvents(): string | false {
  const { events, reason } = openTcpEvents({ choice: "auto", procRoot: "/proc", reader: "bpf-iter" });
  events?.close();
  return reason ?? false;
}
