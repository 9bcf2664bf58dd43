// When a node's agent made its passes, by the stream's clock: what can be known of when sockets and flows
// began.

/** The times of a node's passes and reports. */
export class PassTimes {
  #observedMs = 0;
  #passedMs = 0;
  #startMs = 0;
  #ticks = 0;

  /** When the latest complete report was made; 0 before the first. */
  get observedMs(): number {
    return this.#observedMs;
  }

  /** Ticks of the latest report since the agent's start: timers are relative to it. */
  get ticks(): number {
    return this.#ticks;
  }

  /** When the agent's ticks were 0, according to the report that is being applied, or the latest one. */
  get startMs(): number {
    return this.#startMs;
  }

  /**
   * The latest time at which the node did not have a socket or flow that was first seen at a time: the time
   * of the previous pass, since events between passes may have waited since then. 0 if no earlier pass is
   * known.
   */
  lackedMs(sinceMs: number): number {
    return Math.min(this.#passedMs, sinceMs);
  }

  /**
   * The latest time at which no event had arrived of a socket that the agent first saw in an event at a time:
   * the time of its previous report.
   */
  heardMs(sinceMs: number): number {
    return this.#observedMs === 0 ? sinceMs : Math.min(this.#observedMs, sinceMs);
  }

  /** Begins a report: relates its agent's ticks to the stream's clock. */
  begin(startMs: number): void {
    this.#startMs = startMs;
  }

  /** Stores when a report was made, whether all its parts have arrived, and whether a pass was made for it. */
  end(
    ticks: number,
    observedMs: number,
    { complete, passed }: { readonly complete: boolean; readonly passed: boolean },
  ): void {
    this.#ticks = ticks;
    if (complete) this.#observedMs = Math.max(this.#observedMs, observedMs);
    if (passed) this.#passedMs = Math.max(this.#passedMs, observedMs);
  }
}
