// Settings of `whotalks local`: the pipeline in its own process.

import type { ReaderChoice } from "../../lib/vocabulary/reader-names.ts";
import type { ConntrackChoice } from "../../lib/vocabulary/conntrack-choices.ts";

/** Where the query API listens. */
export interface ListenAddress {
  readonly host: string;
  /** 0 for any free port. */
  readonly port: number;
  /**
   * Whether a free port will do where this one is taken: so for the default, not for one that the user named.
   */
  readonly elseAnyPort: boolean;
}

/** How the pipeline is set up. */
export interface LocalOptions {
  /** Mount point of the proc filesystem, or a saved tree of it. */
  readonly procDir: string;
  /** Byte order of the machine that wrote the tables; undefined for this machine's. */
  readonly byteOrder: "little" | "big" | undefined;
  /** Which reader reads the sockets. */
  readonly reader: ReaderChoice;
  /** How conntrack is read; undefined for the best way that works. */
  readonly conntrack: ConntrackChoice | undefined;
  /** Milliseconds between passes. */
  readonly intervalMs: number;
  /** Null where nobody but this process is to ask. */
  readonly listen: ListenAddress | null;
}
