// Settings of `whotalks local`, which runs the pipeline in its own process.

import type { ReaderChoice } from "../../lib/vocabulary/reader-names.ts";
import type { EventsChoice } from "../../lib/vocabulary/events-modes.ts";
import type { ConntrackChoice } from "../../lib/vocabulary/conntrack-choices.ts";

/** Where the query API listens. */
export interface ListenAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /**
   * Whether to fall back to a free port if this one is taken: true for the default port, false for one that
   * the user named.
   */
  readonly elseAnyPort: boolean;
}

/** Options of the pipeline. */
export interface LocalOptions {
  /** Mount point of the proc filesystem, or a saved tree of it. */
  readonly procDir: string;
  /** Byte order of the machine that wrote the tables; undefined means this machine's. */
  readonly byteOrder: "little" | "big" | undefined;
  /** Which reader reads the sockets. */
  readonly reader: ReaderChoice;
  /** How conntrack is read; undefined means the best way that works. */
  readonly conntrack: ConntrackChoice | undefined;
  /** Whether the kernel reports TCP sockets as they change; undefined for where it can. */
  readonly events: EventsChoice | undefined;
  /** Milliseconds between passes. */
  readonly intervalMs: number;
  /** Null if only this process may query it. */
  readonly listen: ListenAddress | null;
}
