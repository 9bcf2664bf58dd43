// Flows (conntrack entries) in columns, as the agent keeps them and reports carry them.
// lib/tables/flow.columns.ts describes the columns.

import type { ConntrackEntry } from "./conntrack/conntrack-entry.ts";
import { FlowColumns } from "./gen/tables/flow-columns.ts";

/**
 * Flows, one row each. Addresses and ports are indexed by Place (lib/conntrack/conntrack-entry.ts);
 * lib/vocabulary/states.ts has the states.
 */
export class FlowTable extends FlowColumns {
  /** Copies an entry into a row: everything but id, namespace and firstSeen. */
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
