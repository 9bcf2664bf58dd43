// Whether something accepts connections where an end is.

import type { ReadModel } from "../model/model.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";

/**
 * Whether something listens on the port of an end, in its namespace; of unix sockets whether it has a path.
 */
export function listensOnOwnPort({ sockets, listeners }: ReadModel, end: number): boolean {
  return isFamily(sockets.protocol(end)) ? sockets.paths.has(end) : listeners.listensFor(end);
}
