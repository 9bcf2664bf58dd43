// Encoded lists of edges. Sums are only known once everything is added up, so a list of edges is made as a
// whole. It is encoded at once, which takes a tenth of the memory of its messages, and where a crowd asks the
// same, it shares it.

import type { Edge, Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import { Edge as EdgeMessage, Filter as FilterMessage } from "../../../lib/gen/whotalks/v1/query.ts";
import { ListEdgesResponse } from "../../../lib/gen/whotalks/v1/query.ts";
import { Crowd } from "../query/crowd.ts";
import type { Answer } from "../query/query.ts";
import { packBatches } from "./batches.ts";

/** Questions that are remembered, to be shared, and bytes of each: 256 KiB. */
const QUESTIONS_MAX = 64;
const QUESTION_BYTES_MAX = 4096;

/** An encoded answer, in the messages of its stream. */
export class EdgeAnswer {
  readonly messages: readonly Uint8Array[];
  readonly count: number;
  readonly matched: number;
  readonly madeMs: number;
  /** How long it took to make, in milliseconds. */
  readonly costMs: number;
  #users = 0;
  #end: () => void;

  constructor(ask: () => Answer<Edge>, hold: (bytes: number) => () => void) {
    this.madeMs = performance.now();
    const answer = ask();
    const messages: Uint8Array[] = [];
    let count = 0;
    for (const edges of packBatches(answer.items, EdgeMessage)) {
      messages.push(ListEdgesResponse.encode({ ...NO_PART, batch: { edges } }).finish());
      count += edges.length;
    }
    this.#end = hold(messages.reduce((sum, { length }) => sum + length, 0));
    this.messages = messages;
    this.count = count;
    this.matched = answer.matched;
    this.costMs = performance.now() - this.madeMs;
  }

  take(): this {
    this.#users++;
    return this;
  }

  release(): void {
    if (--this.#users === 0) this.#end();
  }

  /** Whether its bytes are still counted, since a list has it. */
  get isUsed(): boolean {
    return this.#users > 0;
  }
}

/** The message of a stream without any part. */
const NO_PART = { header: undefined, batch: undefined, trailer: undefined };

/** The answers that lists share. */
export class EdgeAnswers {
  readonly #questions = new Map<string, { readonly crowd: Crowd; readonly answer: WeakRef<EdgeAnswer> }>();
  readonly #hold: (bytes: number) => () => void;

  /**
   * `hold` counts the bytes of an answer until the function that it returns is called; it throws if there is
   * no room.
   */
  constructor(hold: (bytes: number) => () => void) {
    this.#hold = hold;
  }

  /** Returns the answer to a question; the list must release it. */
  take(filter: Filter | undefined, limit: number, ask: () => Answer<Edge>): EdgeAnswer {
    const asked = FilterMessage.encode(filter ?? FilterMessage.create()).finish();
    if (asked.length > QUESTION_BYTES_MAX) return new EdgeAnswer(ask, this.#hold).take();
    const question = `${limit} ${Buffer.from(asked).toString("latin1")}`;
    const { crowd, answer } = this.#questions.get(question) ?? { crowd: new Crowd(), answer: null };
    const known = answer?.deref();
    const nowMs = performance.now();
    const shareAgeMs = crowd.shareAgeMs(nowMs, known?.costMs ?? 0);
    if (known?.isUsed === true && nowMs - known.madeMs < shareAgeMs) return known.take();
    const made = new EdgeAnswer(ask, this.#hold);
    this.#questions.delete(question);
    this.#questions.set(question, { crowd, answer: new WeakRef(made) });
    if (this.#questions.size > QUESTIONS_MAX) this.#questions.delete(this.#questions.keys().next().value!);
    return made.take();
  }
}
