// Whether calls to the API server succeed: counts failures, backs off, and reports the start and end of an
// outage.

import { retryDelayMs } from "../retry-delay.ts";
import type { RetryRange } from "../retry-delay.ts";
import type { KubernetesError } from "./kubernetes-error.ts";

/** Backoff after failures: a recovered API server is found within half a minute. */
const RETRY: RetryRange = { firstMs: 250, maxMs: 30_000 };

/** Receives failures and recoveries. */
export interface OutageHandler {
  /** A call failed; it will be retried. */
  failed(verb: "list" | "watch", error: KubernetesError): void;
  /** A call works again after failures. */
  recovered(): void;
}

/** The health of one kind's calls. */
export class CallHealth {
  readonly #handler: OutageHandler;
  readonly #random: () => number;
  #errors = 0;
  #failures = 0;
  #broken = false;

  constructor(handler: OutageHandler, random: () => number) {
    this.#handler = handler;
    this.#random = random;
  }

  /** Failed calls, since start. */
  get errors(): number {
    return this.#errors;
  }

  /** Notes a failed call. */
  failed(verb: "list" | "watch", error: KubernetesError): void {
    this.#errors++;
    this.#broken = true;
    this.#handler.failed(verb, error);
  }

  /** Notes that a watch was opened: this ends an outage; only data received on it resets the backoff. */
  opened(): void {
    if (this.#broken) this.#handler.recovered();
    this.#broken = false;
  }

  /** Notes that data was received. */
  succeeded(): void {
    this.opened();
    this.resetBackoff();
  }

  /** Resets the backoff. */
  resetBackoff(): void {
    this.#failures = 0;
  }

  /** Waits before the next attempt, longer each time; the signal ends the wait. */
  async pause(signal: AbortSignal): Promise<void> {
    const pauseMs = retryDelayMs(++this.#failures, RETRY, this.#random);
    await new Promise<void>((resolve) => {
      const timer = setTimeout(done, pauseMs);
      signal.addEventListener("abort", done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}
