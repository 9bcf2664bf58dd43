// Who opened a connection: what the states of its ends told, else who listens, else the ports.

import { DirectionBy } from "../store/connection-store.ts";
import { isEphemeral } from "./socket-role.ts";

/** What is known of one end. */
export interface EndFacts {
  readonly port: number;
  /** Whether its socket was seen. */
  readonly seen: boolean;
  /** Whether something listens on its port in its namespace. */
  readonly listens: boolean;
  /** Whether it was seen in SYN_SENT. */
  readonly opening: boolean;
  /** Whether it was seen in SYN_RECV. */
  readonly accepting: boolean;
}

/** The answer: whether the first end is the server, how that is known, and whether nothing can change it any more. */
export interface Direction {
  readonly firstIsServer: boolean;
  readonly by: number;
  readonly final: boolean;
}

/** Decides who of two ends is the server. */
export function decideDirection(first: EndFacts, second: EndFacts): Direction {
  const firstOpened = first.opening || second.accepting;
  const secondOpened = second.opening || first.accepting;
  if (firstOpened !== secondOpened)
    return { firstIsServer: secondOpened, by: DirectionBy.listener, final: true };
  if (first.listens !== second.listens)
    return { firstIsServer: first.listens, by: DirectionBy.listener, final: false };
  const firstEphemeral = isEphemeral(first.port);
  if (firstEphemeral !== isEphemeral(second.port)) {
    return { firstIsServer: !firstEphemeral, by: DirectionBy.port, final: false };
  }
  return { firstIsServer: guess(first, second), by: DirectionBy.guess, final: false };
}

// An end whose namespace was read and in which nothing listens on its port is rather a client than a server; where
// that tells nothing, servers have the lower port.
function guess(first: EndFacts, second: EndFacts): boolean {
  if (first.seen !== second.seen && isEphemeral(first.port)) return second.seen;
  return first.port < second.port;
}
