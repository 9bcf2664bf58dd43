// What running lists share while they build their items: a view with its cached endpoints, and messages. The
// caches are megabytes, so there is one of them for all lists, and a list that waits for its reader holds
// none.

import type { Filter } from "../../../lib/gen/whotalks/v1/query.ts";
import type { View } from "../view/view.ts";
import type { CompiledFilter } from "./filter.ts";
import { compileFilter } from "./filter.ts";
import { Messages } from "./messages.ts";

/** The caches are dropped when no list has used them for this long, in milliseconds. */
const UNUSED_MS_MAX = 10_000;

/** A list's question. Filters are compiled for it once in each moment. */
export interface ListQuestion {
  readonly filter: Filter | undefined;
}

interface Moment {
  readonly messages: Messages;
  readonly compiled: WeakMap<ListQuestion, CompiledFilter>;
}

/** The latest moment. */
export class ListMoment {
  readonly #peek: () => View;
  #moment: Moment | null = null;
  #usedMs = 0;
  #timer: NodeJS.Timeout | null = null;

  constructor(peek: () => View) {
    this.#peek = peek;
  }

  /** Begins a moment: identities may have changed since the one before. */
  begin(view: View): void {
    this.#moment = { messages: new Messages(view), compiled: new WeakMap() };
    this.#usedMs = performance.now();
    this.#timer ??= setInterval(() => this.#forget(), UNUSED_MS_MAX).unref();
  }

  get messages(): Messages {
    return this.#now().messages;
  }

  /** Returns the question's filter. Throws FilterError if it is invalid. */
  filter(question: ListQuestion): CompiledFilter {
    const { compiled, messages } = this.#now();
    let filter = compiled.get(question);
    if (filter === undefined) {
      filter = compileFilter(question.filter, messages.view);
      compiled.set(question, filter);
    }
    return filter;
  }

  #now(): Moment {
    if (this.#moment === null) this.begin(this.#peek());
    this.#usedMs = performance.now();
    return this.#moment!;
  }

  /** Drops the caches; a list that still runs makes them again. */
  end(): void {
    this.#moment = null;
    if (this.#timer !== null) clearInterval(this.#timer);
    this.#timer = null;
  }

  #forget(): void {
    if (performance.now() - this.#usedMs >= UNUSED_MS_MAX) this.end();
  }
}
