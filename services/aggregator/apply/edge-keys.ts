// Determines which edge a connection belongs to.

import { TupleKind, tupleKind } from "../../../lib/conntrack/tuple-kind.ts";
import { alignedFlow } from "../match/by-flow.ts";
import { isThroughService } from "../match/by-service.ts";
import { Trait } from "../model/connections/connection-rows.ts";
import type { EdgeKey } from "../model/edges/edge-rows.ts";
import { FlowPlace } from "../model/flows/flow-rows.ts";
import type { Model } from "../model/model.ts";
import { isFamily } from "../../../lib/vocabulary/protocols.ts";
import type { EndpointKeys } from "./endpoint-keys.ts";

/** A flow without sockets and how it is shown. */
export interface LoneFlow {
  readonly flow: number;
  /** Whether its destination is the client. */
  readonly reversed: boolean;
  /** Slot of the listener that answers it, or -1. */
  readonly listener: number;
  readonly firstSeenMs: number;
}

/** Computes the keys of edges. */
export class EdgeKeys {
  readonly #model: Model;
  readonly #endpoints: EndpointKeys;

  constructor(model: Model, endpoints: EndpointKeys) {
    this.#model = model;
    this.#endpoints = endpoints;
  }

  /** Returns the key of a connection's edge. */
  of(connection: number): EdgeKey {
    const { connections } = this.#model;
    if (connections.has(connection, Trait.lone)) {
      return this.ofFlow({
        flow: connections.flow[connection]!,
        reversed: connections.has(connection, Trait.reversed),
        listener: connections.server[connection]!,
        firstSeenMs: connections.firstSeenMs[connection]!,
      });
    }
    const flow = alignedFlow(this.#model, connection);
    return flow >= 0 ? this.#withFlow(connection, flow) : this.#ofSockets(connection);
  }

  /** Returns the key of the edge of a flow without sockets. */
  ofFlow({ flow, reversed, listener, firstSeenMs }: LoneFlow): EdgeKey {
    const { flows, addresses } = this.#model;
    const protocol = flows.protocol[flow]!;
    const hasPorts = tupleKind(protocol) === TupleKind.ports;
    const clientPlace = reversed ? FlowPlace.originalDestination : FlowPlace.originalSource;
    const serverPlace = reversed ? FlowPlace.originalSource : FlowPlace.replySource;
    const last = reversed ? flow : flows.last(flow);
    const dialled = !reversed && flows.isDestinationTranslated(flow);
    const ofAddress = (at: number, place: number): number =>
      this.#endpoints.ofFlowAddress(flows.address(at, place), flows.namespace[flow]!, firstSeenMs);
    return {
      client: ofAddress(flow, clientPlace),
      server: listener >= 0 ? this.#endpoints.ofSocket(listener) : ofAddress(last, serverPlace),
      protocol,
      port: hasPorts ? flows.port(last, serverPlace) : 0,
      viaIp: dialled ? addresses.text(flows.address(flow, FlowPlace.originalDestination)) : "",
      viaPort: dialled && hasPorts ? flows.port(flow, FlowPlace.originalDestination) : 0,
      path: "",
    };
  }

  #ofSockets(connection: number): EdgeKey {
    const { connections, sockets, addresses } = this.#model;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    const protocol = sockets.protocol(client >= 0 ? client : server);
    const dialled =
      client >= 0 &&
      connections.serverEnd(connection) >= 0 &&
      !isFamily(protocol) &&
      isThroughService(this.#model, client, server);
    const port = server >= 0 ? sockets.localPort(server) : sockets.remotePort(client);
    return {
      client: client >= 0 ? this.#endpoints.ofSocket(client) : this.#ofPeer(server, firstSeenMs),
      server: server >= 0 ? this.#endpoints.ofSocket(server) : this.#ofPeer(client, firstSeenMs),
      protocol,
      port: isFamily(protocol) ? 0 : port,
      viaIp: dialled ? addresses.text(sockets.remoteAddress(client)) : "",
      viaPort: dialled ? sockets.remotePort(client) : 0,
      path: sockets.paths.size === 0 ? "" : (sockets.paths.get(server) ?? sockets.paths.get(client) ?? ""),
    };
  }

  // The key of a connection with sockets and a flow: where a socket is missing, the flow provides the address.
  #withFlow(connection: number, flow: number): EdgeKey {
    const { connections, sockets, addresses, flows } = this.#model;
    const client = connections.client[connection]!;
    const server = connections.server[connection]!;
    const firstSeenMs = connections.firstSeenMs[connection]!;
    const last = flows.last(flow);
    const dialled = flows.isDestinationTranslated(flow);
    const ofAddress = (at: number, place: number): number =>
      this.#endpoints.ofAddress(flows.address(at, place), firstSeenMs);
    return {
      client: client >= 0 ? this.#endpoints.ofSocket(client) : ofAddress(flow, FlowPlace.originalSource),
      server: server >= 0 ? this.#endpoints.ofSocket(server) : ofAddress(last, FlowPlace.replySource),
      protocol: flows.protocol[flow]!,
      port: server >= 0 ? sockets.localPort(server) : flows.port(last, FlowPlace.replySource),
      viaIp: dialled ? addresses.text(flows.address(flow, FlowPlace.originalDestination)) : "",
      viaPort: dialled ? flows.port(flow, FlowPlace.originalDestination) : 0,
      path: "",
    };
  }

  // The other end of a socket whose peer socket was not seen.
  #ofPeer(slot: number, timeMs: number): number {
    const { sockets } = this.#model;
    return isFamily(sockets.protocol(slot))
      ? this.#endpoints.ofUnknownPeer(timeMs)
      : this.#endpoints.ofAddress(sockets.remoteAddress(slot), timeMs);
  }
}
