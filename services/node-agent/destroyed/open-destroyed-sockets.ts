// Opens the reader of destroyed sockets together with the watch for new namespaces.

import { createProcessScanner } from "../processes/scan.ts";
import { DestroyedSockets } from "./destroyed-sockets.ts";
import { NamespaceArrivals } from "./namespace-arrivals.ts";

/**
 * Begins to listen on the live kernel whose proc filesystem is at procRoot. Never throws: what is in the way
 * is a limit.
 */
export function openDestroyedSockets(
  procRoot: string,
  elapsedMs: () => number,
  withoutTcp: boolean,
): DestroyedSockets {
  const arrivals = new NamespaceArrivals({ procRoot, processes: createProcessScanner({ procRoot }) });
  return new DestroyedSockets({ procRoot, elapsedMs, arrivals, withoutTcp });
}
