// What the workload may do to TCP sockets.

import fc from "fast-check";

/** How often each kind comes, out of their sum. */
const weights = {
  open: 22,
  close: 10,
  "close both": 5,
  "half-close": 7,
  reset: 7,
  /** A message, and its answer. */
  talk: 8,
  /** A connection that is over at once. */
  "open and close": 5,
  /** Closes an end that has not read everything, which the kernel answers with a reset. */
  spurn: 2,
  /** Writes more than the buffers hold to an end that does not read, and closes. */
  stuff: 2,
  /** A descriptor changes hands. */
  pass: 4,
  /** Another process inherits an end. */
  fork: 3,
  "fork listener": 2,
  /** Such a process ends. */
  kill: 4,
  refused: 6,
  unanswered: 3,
  /** Gives up an unanswered attempt. */
  abandon: 3,
  listen: 2,
  "listen and open": 2,
  /** Another process listens on the same port. */
  "share port": 1,
  "stop listening": 3,
} as const;

/** What may be done. */
type OperationKind = keyof typeof weights;

/** One operation; the choices pick what it is done to, among what there is. */
export interface Operation {
  readonly kind: OperationKind;
  readonly choices: readonly [number, number, number];
}

/** Operations that run at the same time, and what surrounds them. */
export interface Batch {
  readonly operations: readonly Operation[];
  /** Whether a pass is made while they run, or after them. */
  readonly pass: "none" | "meanwhile" | "after" | "keyframe after" | "check meanwhile" | "check after";
  /** Whether one of the processes accepts nothing until they are done. */
  readonly isOneFrozen: boolean;
}

const passes = ["meanwhile", "after", "keyframe after", "check meanwhile", "check after"] as const;
const kinds = Object.keys(weights) as OperationKind[];
const choice = fc.nat({ max: 2 ** 30 });
const operation: fc.Arbitrary<Operation> = fc.record({
  kind: fc.oneof(...kinds.map((kind) => ({ weight: weights[kind], arbitrary: fc.constant(kind) }))),
  choices: fc.tuple(choice, choice, choice),
});

/** A batch of so many operations. */
export function anyBatch(operations: number): fc.Arbitrary<Batch> {
  return fc.noBias(
    fc.record({
      operations: fc.array(operation, { minLength: operations, maxLength: operations }),
      pass: fc.oneof(fc.constant("none" as const), fc.constantFrom(...passes)),
      isOneFrozen: fc.constantFrom(false, false, false, true),
    }),
  );
}
