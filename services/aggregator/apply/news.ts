// Changes that connections did not wait for: the next sweep re-checks the connections that they affect.

/** Changes since they were last taken. */
export interface NewsItems {
  /** Ports on which something began to listen. */
  readonly ports: ReadonlySet<number>;
  /** Numbers of nodes whose ownership data changed: of a namespace, a process or a shared listener. */
  readonly nodes: ReadonlySet<number>;
}

/** Collects changes between two sweeps. */
export class News {
  #ports = new Set<number>();
  #nodes = new Set<number>();

  get isEmpty(): boolean {
    return this.#ports.size === 0 && this.#nodes.size === 0;
  }

  /** Records that something began to listen on a port. At most 2^16 ports exist. */
  listening(port: number): void {
    this.#ports.add(port);
  }

  /** Records that ownership data of a node changed. */
  ownersChanged(node: number): void {
    this.#nodes.add(node);
  }

  /** Takes the collected changes and starts a new collection. */
  take(): NewsItems {
    const items = { ports: this.#ports, nodes: this.#nodes };
    this.#ports = new Set();
    this.#nodes = new Set();
    return items;
  }
}
