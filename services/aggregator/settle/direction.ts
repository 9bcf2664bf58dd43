// Who opened a connection. The strongest of these decides:
//
//   flow       a translated flow has the client's address first: final
//   handshake  an end was seen in SYN_SENT, or one in SYN_RECV: final
//   listener   one end's port has a listener in its namespace; of unix sockets, one end has a path
//   flow       an untranslated flow, which conntrack may have picked up in the middle, where ports do not contradict it
//   port       one end's port is outside the range that clients are assigned
//   guess      the lower port, or the side whose namespace was read and has no listener; of unix sockets the older one
//
// What was known once and is not any more (a listener that is gone) is still better than a weaker answer now.

import { DirectionBy } from "../../../lib/vocabulary/direction.ts";
import { isEphemeral } from "../model/sockets/socket-role.ts";
import type { ConnectionFacts, EndFacts } from "./facts.ts";

/** The answer. */
export interface Direction {
  /** Whether the client is the server and the other way round. */
  readonly swapped: boolean;
  /** How that is known, as DirectionBy. */
  readonly by: number;
  /** Whether nothing can change it any more. */
  readonly final: boolean;
}

/** Decides who opened a connection; null if what was decided before stays. */
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

// An end whose namespace was read, and in which nothing listens on its port, is more likely a client than a
// server; if that says nothing, servers have the lower port.
function guess(client: EndFacts, server: EndFacts): boolean {
  if (client.seen !== server.seen && isEphemeral(client.port)) return server.seen;
  return client.port < server.port;
}

// An entry that was made in the middle of a conversation may have it the wrong way round: it is not believed
// against ports, and listeners know better in any case.
function withFlow(decided: Direction, agrees: boolean): Direction {
  const { swapped, by } = decided;
  const confirmed = by === DirectionBy.port && swapped === !agrees;
  if (by !== DirectionBy.guess && !confirmed) return decided;
  return { swapped: !agrees, by: DirectionBy.flow, final: false };
}

// An accepted unix socket carries its listener's path. Without a path on one side alone, the lower inode,
// which is the older one, is taken for the client.
function directUnix(client: EndFacts, server: EndFacts): Direction | null {
  if (client.listens !== server.listens)
    return { swapped: client.listens, by: DirectionBy.listener, final: false };
  if (!client.seen || !server.seen) return null;
  return { swapped: client.inode > server.inode, by: DirectionBy.guess, final: false };
}
