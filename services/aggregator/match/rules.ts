// The rules that find the other end of a one-sided connection, in order. Each is a pure function of the model,
// in its own file with its tests beside it. The first that finds a peer wins. (by-lone-flow.ts, the last rule,
// handles flows without any end.)

import type { Identity } from "../identity/identity.ts";
import type { ServiceFronts } from "../identity/service-fronts.ts";
import type { ReadModel } from "../model/model.ts";
import type { Answer, OneSided } from "./answer.ts";
import { byFlow } from "./by-flow.ts";
import { byDatagramListener, byUnixPeer } from "./by-listener.ts";
import { byService } from "./by-service.ts";
import { byTuple } from "./by-tuple.ts";

/** A rule: its answer about a one-sided connection, or null. */
export type Rule = (model: ReadModel, oneSided: OneSided) => Answer | null;

/** The rules, in order. */
export function matchRules(identity: Identity, fronts: ServiceFronts): readonly Rule[] {
  return [
    byTuple,
    byFlow,
    (model, oneSided) => byDatagramListener(model, oneSided, identity),
    byUnixPeer,
    (model, oneSided) => byService(model, oneSided, fronts),
  ];
}
