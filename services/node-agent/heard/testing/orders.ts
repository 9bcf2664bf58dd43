// What a process of a test (socket-actor.ts) is ordered to do with TCP sockets. Each socket has a name that
// the one who orders chose: of connection 7, "c7" is the end that connected and "s7" the one that was
// accepted.

/** What may be ordered. Every order is answered when it is done. */
export type Order =
  | { readonly do: "listen"; readonly name: string; readonly host: string; readonly port: number }
  | { readonly do: "stop listening"; readonly name: string }
  /**
   * Connects, sends a greeting that names the connection, and waits for the answer, or only to be connected.
   */
  | {
      readonly do: "open";
      readonly number: number;
      readonly to: Address;
      readonly await: "answer" | "connection";
    }
  | { readonly do: "await answer"; readonly number: number }
  | { readonly do: "open refused"; readonly to: Address }
  | { readonly do: "open unanswered"; readonly name: string; readonly to: Address }
  | { readonly do: "write"; readonly name: string; readonly bytes: number; readonly isAwaited: boolean }
  /** Waits until so many bytes were received since the beginning. */
  | { readonly do: "receive"; readonly name: string; readonly total: number }
  | { readonly do: "read no more"; readonly name: string }
  | { readonly do: "read again"; readonly name: string }
  | { readonly do: "half-close"; readonly name: string }
  | { readonly do: "close"; readonly name: string }
  | { readonly do: "reset"; readonly name: string }
  /** Starts a process that inherits the socket or listener. */
  | { readonly do: "fork"; readonly name: string; readonly child: string }
  | { readonly do: "kill"; readonly child: string }
  /** Sends the socket to the one who orders, and closes its own descriptor when it was received. */
  | { readonly do: "pass"; readonly name: string }
  /** Is answered after everything that was sent before. */
  | { readonly do: "nothing" };

/** Where a connection goes. */
export interface Address {
  readonly host: string;
  readonly port: number;
}

/** What is sent to an actor; "take" comes with a socket. */
export type ToActor =
  | { readonly order: number; readonly what: Order }
  | { readonly take: string; readonly received: number };

/** What an actor sends; "passed" comes with a socket. */
export type FromActor =
  | { readonly ready: true }
  | { readonly done: number; readonly port: number }
  | { readonly failed: number; readonly error: string }
  | { readonly accepted: string }
  | { readonly passed: string; readonly received: number }
  | { readonly taken: string };

/** Bytes of the greeting that an opened connection begins with, and of its answer. */
export const GREETING_BYTES = 4;
export const ANSWER_BYTES = 1;
