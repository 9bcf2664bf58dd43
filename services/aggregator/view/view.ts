// What queries see: the model at one moment, after everything queued has been settled. Read-only.

import type { Identity } from "../identity/identity.ts";
import type { ReadModel, ReadNode } from "../model/model.ts";
import type { AccountSums } from "../../../lib/account-sums.ts";
import { addSums, NO_SUMS, reportedSums } from "../../../lib/account-sums.ts";
import type { NamespaceAccount } from "../model/nodes/namespace-accounts.ts";
import { ConnectionView } from "./connection-view.ts";
import { EdgeView } from "./edge-view.ts";
import { EndpointView } from "./endpoint-view.ts";
import { SocketView } from "./socket-view.ts";

/** A node, a network namespace's account, and figures of accounts, as queries see them. */
export type ViewedNode = ReadNode;
export type ViewedAccount = NamespaceAccount;
export type ViewedSums = AccountSums;

/** The model at one moment. */
export class View {
  /** The stream's time, in milliseconds since 1970. */
  readonly nowMs: number;
  readonly connections: ConnectionView;
  readonly edges: EdgeView;
  readonly sockets: SocketView;
  readonly endpoints: EndpointView;
  readonly identity: Identity;
  readonly addresses: ReadModel["addresses"];
  readonly nodes: ReadModel["nodes"];
  readonly accounts: ReadModel["accounts"];
  /** What was dropped because a limit was reached, since start. */
  readonly overflowed: number;
  /** Ends that currently match several others. */
  readonly ambiguousEnds: number;

  constructor(model: ReadModel, identity: Identity, nowMs: number) {
    this.nowMs = nowMs;
    this.identity = identity;
    this.connections = new ConnectionView(model);
    this.edges = new EdgeView(model);
    this.sockets = new SocketView(model);
    this.endpoints = new EndpointView(model, identity);
    this.addresses = model.addresses;
    this.nodes = model.nodes;
    this.accounts = model.accounts;
    this.overflowed = model.overflow.total;
    this.ambiguousEnds = model.sockets.ambiguous;
  }

  /**
   * What each node's kernel counted as opened and what was seen of it, over all runs of its agent, by the
   * node's number.
   */
  nodeSums(): readonly ViewedSums[] {
    const beyondReported = this.accounts.beyondReported();
    return this.nodes.all().map(({ index, coverage, earlierRuns }) => {
      const reported = coverage === null ? NO_SUMS : reportedSums(coverage);
      return addSums(addSums(earlierRuns.sums, reported), beyondReported.get(index) ?? NO_SUMS);
    });
  }
}
