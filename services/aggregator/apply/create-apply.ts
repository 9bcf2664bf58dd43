// Wires up the writers of the model: each depends only on those before it.

import type { Identity } from "../identity/identity.ts";
import { ServiceFronts } from "../identity/service-fronts.ts";
import { matchRules } from "../match/rules.ts";
import type { Model } from "../model/model.ts";
import { Beginning } from "./periodic/beginning.ts";
import { ChangeFeed } from "./change-feed.ts";
import { Connector } from "./connector.ts";
import { EdgeCounter } from "./edge-counter.ts";
import { EdgeKeys } from "./edge-keys.ts";
import { EndpointKeys } from "./endpoint-keys.ts";
import { FlowLife } from "./flow-life.ts";
import { FlowWaits } from "./flow-waits.ts";
import { Folding } from "./folding.ts";
import { LoneConnections } from "./lone-connections.ts";
import { News } from "./news.ts";
import { SettleQueue } from "./settle-queue.ts";
import { Settler } from "./settler.ts";
import { SocketLife } from "./socket-life.ts";
import type { Keeping } from "./periodic/upkeep.ts";
import { Upkeep } from "./periodic/upkeep.ts";

/** The writers that the rest of the aggregator uses. */
export interface Apply {
  readonly queue: SettleQueue;
  readonly feed: ChangeFeed;
  readonly news: News;
  readonly connector: Connector;
  readonly sockets: SocketLife;
  readonly flows: FlowLife;
  readonly settler: Settler;
  readonly upkeep: Upkeep;
}

/** Creates the writers of a model. */
export function createApply(model: Model, identity: Identity, keeping: Keeping): Apply {
  const queue = new SettleQueue();
  const feed = new ChangeFeed();
  const news = new News();
  const connector = new Connector(model, queue, feed);
  const endpointKeys = new EndpointKeys(model, identity);
  const edgeKeys = new EdgeKeys(model, endpointKeys);
  const edgeCounter = new EdgeCounter(model, edgeKeys, feed);
  const folding = new Folding(model, connector);
  const lone = new LoneConnections(model, { identity, connector, folding, edgeKeys, edgeCounter });
  const waits = new FlowWaits(model);
  const sockets = new SocketLife(model, connector, queue, news);
  const flows = new FlowLife(model, { connector, lone, waits });
  const rules = matchRules(identity, new ServiceFronts(identity, model.addresses));
  const settler = new Settler(model, {
    rules,
    queue,
    waits,
    feed,
    connector,
    folding,
    lone,
    endpointKeys,
    edgeCounter,
  });
  const beginning = new Beginning(model, settler);
  const upkeep = new Upkeep(model, {
    identity,
    connector,
    sockets,
    flows,
    settler,
    news,
    beginning,
    keeping,
  });
  return { queue, feed, news, connector, sockets, flows, settler, upkeep };
}
