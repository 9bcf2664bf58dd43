// Flows (conntrack entries) in columns: the form in which the agent keeps them and reports carry them. The
// columns are described in lib/tables/flow.columns.ts.

import type { ConntrackEntry } from "./conntrack/conntrack-entry.ts";
import { FlowColumns } from "./gen/tables/flow-columns.ts";

/**
 * Flows, one row each. Addresses and ports are by Place of lib/conntrack/conntrack-entry.ts, states are those
 * of lib/vocabulary/states.ts.
 */
export class FlowTable extends FlowColumns {
  /** Takes over what an entry says of a flow: everything but id, namespace and firstSeen. */
  write(row: number, entry: ConntrackEntry): void {
    this.protocol[row] = entry.protocol;
    this.family[row] = entry.family;
    this.state[row] = entry.state;
    this.status[row] = entry.status;
    for (let i = 0; i < 16; i++) this.addresses[row * 16 + i] = entry.addresses[i]!;
    for (let i = 0; i < 4; i++) {
      this.ports[row * 4 + i] = entry.ports[i]!;
      this.counters[row * 4 + i] = entry.counters[i]!;
    }
    this.zone[row] = entry.zone;
    this.kernelId[row] = entry.id;
  }
}
