// What a rule receives, and what it may answer.

import type { ServiceRole } from "../model/sockets/socket-table.ts";

/** A connection that has one end. */
export interface OneSided {
  readonly connection: number;
  /** Slot of its only end. */
  readonly end: number;
  /** The flow attached to the connection; -1 if there is none. */
  readonly flow: number;
  /** Whether its peer was not found yet, so that matching is retried. */
  readonly retrying: boolean;
  /** The stream's time, in milliseconds since 1970. */
  readonly nowMs: number;
}

/** An answer. Only the first two end the search: the connection becomes one with another. */
export type Answer =
  /**
   * The peer's connection and this one are the same. `client` is the end that opened it, if the rule knows.
   */
  | { readonly kind: "peer"; readonly peer: number; readonly client: KnownClient | null }
  /** The peer leaves its own connection, whose other end has been gone for a while. */
  | { readonly kind: "change-over"; readonly peer: number }
  /** The peer could be one of several: these ends are kept apart. */
  | { readonly kind: "ambiguous"; readonly contenders: readonly number[] }
  /** The peer is known but not free: retry later. */
  | { readonly kind: "later" }
  /** There is no peer: do not retry until something changes. */
  | { readonly kind: "none" }
  /** A listener that serves several clients answers the end. */
  | { readonly kind: "listener"; readonly listener: number }
  /**
   * The end waits for a peer through a Service, in this role; null if it cannot have one. With `retry` there
   * is one, but a flow that says otherwise may be on its way.
   */
  | { readonly kind: "service-end"; readonly role: ServiceRole | null; readonly retry?: true };

/** Which end opened a connection, and how that is known (DirectionBy). */
interface KnownClient {
  readonly end: number;
  readonly by: number;
}
