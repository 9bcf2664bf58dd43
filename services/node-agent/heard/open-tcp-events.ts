// Chooses how the agent learns what happens to TCP sockets between two readings.

import type { EventsChoice } from "../../../lib/vocabulary/events-modes.ts";
import { TcpStateTracepoint } from "../kernel/bpf/trace/tcp-state-tracepoint.ts";
import { isLiveProc } from "../readers/live-proc.ts";

/** The events, or why there are none. */
interface OpenedEvents {
  readonly events: TcpStateTracepoint | null;
  /** A phrase; null where there are events. */
  readonly reason: string | null;
}

/**
 * Attaches to the running kernel's tracepoint, if the reader reads what events leave out (bpf-iter does; the
 * others read whole tables). Never throws.
 */
export function openTcpEvents(options: {
  readonly choice: EventsChoice;
  readonly procRoot: string;
  /** Name of the reader. */
  readonly reader: string;
}): OpenedEvents {
  const { choice, procRoot, reader } = options;
  if (choice === "off") return { events: null, reason: "they are switched off" };
  if (!isLiveProc(procRoot)) return { events: null, reason: `${procRoot} is not the running kernel's` };
  if (reader !== "bpf-iter")
    return { events: null, reason: `they work only with the reader bpf-iter, and ${reader} is in use` };
  try {
    return { events: TcpStateTracepoint.attach(), reason: null };
  } catch (error) {
    return { events: null, reason: (error as Error).message };
  }
}
