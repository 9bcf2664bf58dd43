// Who opened a connection. The strongest of these decides:
//
//   flow       a translated flow has the client's address first: final
//   handshake  an end was seen in SYN_SENT, or one in SYN_RECV: final
//   listener   one end's port has a listener in its namespace; for unix sockets, one end has a path
//   flow       an untranslated flow (conntrack may have picked it up midway), unless ports contradict it
//   port       one end's port is outside the ephemeral range
//   guess      the lower port, or the side whose namespace was read and has no listener; for unix sockets, the
//              older one
//
// Earlier evidence that no longer exists (a listener that is gone) is still better than a weaker answer now.

import { DirectionBy } from "../../../lib/vocabulary/direction.ts";
import { isEphemeral } from "../model/sockets/socket-role.ts";
import type { ConnectionFacts, EndFacts } from "./facts.ts";

/** The decision. */
export interface Direction {
  /** Whether client and server must be swapped. */
  readonly swapped: boolean;
  /** The basis of the decision, as DirectionBy. */
  readonly by: number;
  /** Whether the decision can no longer change. */
  readonly final: boolean;
}

/** Decides who opened a connection; returns null to keep the earlier decision. */
export function decideDirection(facts: ConnectionFacts): Direction | null {
  if (!facts.undirected) return null;
  const { client, server, flow, hasFlow } = facts;
  if (hasFlow && flow.translated) return { swapped: !flow.agrees, by: DirectionBy.flow, final: true };
  if (facts.isUnix) return directUnix(client, server);
  const decided = byEnds(client, server);
  const direction = hasFlow ? withFlow(decided, flow.agrees) : decided;
  return direction.by < facts.directionBy ? null : direction;
}

function byEnds(client: EndFacts, server: EndFacts): Direction {
  const clientOpened = client.opening || server.accepting;
  const serverOpened = server.opening || client.accepting;
  if (clientOpened !== serverOpened) return { swapped: serverOpened, by: DirectionBy.handshake, final: true };
  if (client.listens !== server.listens)
    return { swapped: client.listens, by: DirectionBy.listener, final: false };
  const isClientEphemeral = isEphemeral(client.port);
  if (isClientEphemeral !== isEphemeral(server.port))
    return { swapped: !isClientEphemeral, by: DirectionBy.port, final: false };
  return { swapped: guess(client, server), by: DirectionBy.guess, final: false };
}

// An end whose namespace was read, and on whose port nothing listens, is more likely the client; if that is
// inconclusive, the lower port is the server's.
function guess(client: EndFacts, server: EndFacts): boolean {
  if (client.seen !== server.seen && isEphemeral(client.port)) return server.seen;
  return client.port < server.port;
}

// conntrack may have picked up an entry in the middle of a conversation, reversed: ports and listeners
// override it.
function withFlow(decided: Direction, agrees: boolean): Direction {
  const { swapped, by } = decided;
  const confirmed = by === DirectionBy.port && swapped === !agrees;
  if (by !== DirectionBy.guess && !confirmed) return decided;
  return { swapped: !agrees, by: DirectionBy.flow, final: false };
}

// An accepted unix socket carries its listener's path. If neither or both ends have a path, the lower (older)
// inode is the client's.
function directUnix(client: EndFacts, server: EndFacts): Direction | null {
  if (client.listens !== server.listens)
    return { swapped: client.listens, by: DirectionBy.listener, final: false };
  if (!client.seen || !server.seen) return null;
  return { swapped: client.inode > server.inode, by: DirectionBy.guess, final: false };
}
