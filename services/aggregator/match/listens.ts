// Whether anything accepts connections at an end.

import type { ReadModel } from "../model/model.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";

/** Whether something listens on an end's port, in its namespace; for unix sockets, whether it has a path. */
export function listensOnOwnPort({ sockets, listeners }: ReadModel, end: number): boolean {
  return isFamily(sockets.protocol(end)) ? sockets.paths.has(end) : listeners.listensFor(end);
}
