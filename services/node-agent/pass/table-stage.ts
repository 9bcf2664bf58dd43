// Reads the tables of every network namespace of a pass.

import { setImmediate as yieldToOthers } from "node:timers/promises";

import type { NetworkNamespace } from "../../../lib/gen/whotalks/v1/report.ts";
import { SocketTable } from "../../../lib/socket-table.ts";
import type { PassCost } from "../agent-parts.ts";
import type { IdentifiedNamespace, NamespaceIds } from "../ids/namespace-ids.ts";
import type { ReadingHints, SocketReader, SocketSink } from "../observation.ts";
import type { Readings } from "../observe/namespace-coverage.ts";

/** Milliseconds of reading after which others have their turn. */
const YIELD_MS = 5;

/** What was read. */
interface TablesRead {
  readonly sink: SocketSink;
  readonly readings: Readings;
  /** Every namespace of the pass by its id, those that are gone among them. */
  readonly namespaces: ReadonlyMap<number, NetworkNamespace>;
  readonly cost: Omit<PassCost, "cpuMs">;
}

/** Reads tables, and counts over all passes what could not be read. */
export class TableStage {
  /** Lines that were malformed, and rows that found no place, since start. */
  linesMalformed = 0;
  overflowed = 0;
  readonly #reader: SocketReader;
  readonly #namespaceIds: NamespaceIds;
  readonly #elapsedMs: () => number;
  #spare = new SocketTable(256);

  constructor(reader: SocketReader, namespaceIds: NamespaceIds, elapsedMs: () => number) {
    this.#reader = reader;
    this.#namespaceIds = namespaceIds;
    this.#elapsedMs = elapsedMs;
  }

  /** Takes back the table of an observation that is over, to be filled by a later pass. */
  recycle(sockets: SocketTable): void {
    this.#spare = sockets;
  }

  /** Reads every namespace. Others have their turn in between. */
  async read(found: readonly IdentifiedNamespace[], hints: ReadingHints): Promise<TablesRead> {
    const sink: SocketSink = { sockets: this.#spare, familySockets: [] };
    sink.sockets.clear();
    const readings: Readings = new Map();
    const namespaces = new Map<number, NetworkNamespace>();
    let yieldedMs = this.#elapsedMs();
    this.#reader.begin?.(hints);
    for (const { namespace, record, gone } of found) {
      if (gone) {
        namespaces.set(namespace.id, namespace);
        continue;
      }
      const startMs = this.#elapsedMs();
      const reading = this.#reader.read(record, namespace.id, sink);
      readings.set(namespace.id, { reading, micros: (this.#elapsedMs() - startMs) * 1000 });
      namespaces.set(namespace.id, this.#namespaceIds.withAddresses(namespace, reading.addresses));
      this.linesMalformed += reading.linesMalformed;
      this.overflowed += reading.overflowed;
      if (this.#elapsedMs() - yieldedMs < YIELD_MS) continue;
      await yieldToOthers();
      yieldedMs = this.#elapsedMs();
    }
    return { sink, readings, namespaces, cost: costOf(readings) };
  }
}

// What reading cost differs each time, and alone is no news.
function costOf(readings: Readings): Omit<PassCost, "cpuMs"> {
  let [namespaceMicrosMax, namespaceMicrosTotal] = [0, 0];
  for (const { micros } of readings.values()) {
    namespaceMicrosMax = Math.max(namespaceMicrosMax, micros);
    namespaceMicrosTotal += micros;
  }
  return { namespaceMicrosMax, namespaceMicrosTotal };
}
