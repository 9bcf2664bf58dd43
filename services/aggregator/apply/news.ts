// What became known that connections did not wait for: the next sweep looks again at those that it concerns.

/** News since it was last taken. */
export interface NewsItems {
  /** Ports on which something began to listen. */
  readonly ports: ReadonlySet<number>;
  /** Numbers of nodes whose ownership data changed: of a namespace, a process or a shared listener. */
  readonly nodes: ReadonlySet<number>;
}

/** Collects news between two sweeps. */
export class News {
  #ports = new Set<number>();
  #nodes = new Set<number>();

  get isEmpty(): boolean {
    return this.#ports.size === 0 && this.#nodes.size === 0;
  }

  /** Something began to listen on a port. At most 2^16 ports exist. */
  listening(port: number): void {
    this.#ports.add(port);
  }

  /** Ownership data of a node changed. */
  ownersChanged(node: number): void {
    this.#nodes.add(node);
  }

  /** Takes the news over; what comes from now on is for the next time. */
  take(): NewsItems {
    const items = { ports: this.#ports, nodes: this.#nodes };
    this.#ports = new Set();
    this.#nodes = new Set();
    return items;
  }
}
