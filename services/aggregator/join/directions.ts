// Decides who opened a connection that changed, by what is known of its ends and of its flow by now, and puts the client
// first.

import { ConnectionFlag, DirectionBy } from "../store/connection-store.ts";
import { Family, isFamily, SocketFlag } from "../store/socket-store.ts";
import type { Tables } from "../store/tables.ts";
import type { EndFacts } from "./direction.ts";
import { decideDirection } from "./direction.ts";
import type { Joiner } from "./joiner.ts";

/** Directions of connections. */
export class Directions {
  readonly #tables: Tables;
  readonly #joiner: Joiner;

  constructor(tables: Tables, joiner: Joiner) {
    this.#tables = tables;
    this.#joiner = joiner;
  }

  /** Decides anew who opened a connection, as far as that is still open. */
  decide(connection: number): void {
    const { connections, sockets } = this.#tables;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const told = ConnectionFlag.directionFinal | ConnectionFlag.sharedServer | ConnectionFlag.lone;
    if (connections.has(connection, told)) return;
    if (client === server) return;
    const slot = client >= 0 ? client : server;
    const flow = connections.flow[connection]!;
    const flowSaysSwapped = flow >= 0 && this.#joiner.flows.isClientEnd(flow, slot) !== client >= 0;
    if (flow >= 0 && this.#tables.flows.isTranslated(flow)) {
      connections.set(connection, ConnectionFlag.directionFinal);
      this.#setDirection(connection, flowSaysSwapped, DirectionBy.flow);
      return;
    }
    if (sockets.protocol(slot) === Family.unix) {
      this.#directUnix(connection, client, server);
      return;
    }
    const first = this.#facts(client, server);
    const second = this.#facts(server, client);
    const decided = decideDirection(first, second);
    const { final } = decided;
    let { firstIsServer, by } = decided;
    // An entry that was made in the middle of a conversation may have it the wrong way round: against ports it is not
    // believed, and listeners know better in any case.
    if (
      flow >= 0 &&
      (by === DirectionBy.guess || (by === DirectionBy.port && firstIsServer === flowSaysSwapped))
    ) {
      firstIsServer = flowSaysSwapped;
      by = DirectionBy.flow;
    }
    // What listened once and does so no longer still tells more than ports.
    if (by < connections.directionBy[connection]!) return;
    if (final) connections.set(connection, ConnectionFlag.directionFinal);
    this.#setDirection(connection, firstIsServer, by);
  }

  // An accepted unix socket carries its listener's path; without a path on one side alone the lower inode, which is
  // the older one, is taken for the client.
  #directUnix(connection: number, client: number, server: number): void {
    const { sockets } = this.#tables;
    const clientHasPath = client >= 0 && sockets.paths.has(client);
    const serverHasPath = server >= 0 && sockets.paths.has(server);
    if (clientHasPath !== serverHasPath) this.#setDirection(connection, clientHasPath, DirectionBy.listener);
    else if (client >= 0 && server >= 0) {
      this.#setDirection(connection, sockets.inode(client) > sockets.inode(server), DirectionBy.guess);
    }
  }

  #setDirection(connection: number, swapped: boolean, by: number): void {
    const { connections } = this.#tables;
    if (swapped) {
      const client = connections.client[connection]!;
      connections.client[connection] = connections.server[connection]!;
      connections.server[connection] = client;
    }
    if (swapped || connections.directionBy[connection] !== by)
      connections.set(connection, ConnectionFlag.changed);
    connections.directionBy[connection] = by;
  }

  #facts(slot: number, other: number): EndFacts {
    const { sockets } = this.#tables;
    if (slot < 0) {
      return {
        port: sockets.remotePort(other),
        seen: false,
        listens: false,
        opening: false,
        accepting: false,
      };
    }
    return {
      port: sockets.localPort(slot),
      seen: true,
      listens: this.listens(slot),
      opening: sockets.has(slot, SocketFlag.opening),
      accepting: sockets.has(slot, SocketFlag.accepting),
    };
  }

  /** Whether something listens on the port of an end, in its namespace. */
  listens(slot: number): boolean {
    const { sockets } = this.#tables;
    if (isFamily(sockets.protocol(slot))) return sockets.paths.has(slot);
    return this.#joiner.listeners.listens(
      sockets.namespace(slot),
      sockets.protocol(slot),
      sockets.localAddress(slot),
      sockets.localPort(slot),
    );
  }
}
