// When witnesses were reported: which reports contain a socket, and when it was gone.

import type { RenderedReport } from "./agent.ts";
import type { Flow, Socket } from "./conversation.ts";

/** Where a socket is in the reports of all nodes, by index in the order of passes. */
export interface Sighting {
  /** The first report that contains it, and the time of its pass. */
  first: number;
  readonly firstMs: number;
  /** Whether that was the first report of its node. */
  readonly isFirstLook: boolean;
  /** The last report that contains it. */
  last: number;
  /** The report of its node that shows that it is gone; beyond the end if there is none. */
  left: number;
  hasLeft: boolean;
}

/** Indexes reports by their content. */
export class SightingIndex {
  /** The time of the last pass. */
  readonly endMs: number;
  readonly #sockets = new Map<Socket, Sighting>();
  readonly #flows = new Set<Flow>();

  constructor(reports: readonly RenderedReport[]) {
    this.endMs = reports.at(-1)?.atMs ?? 0;
    const known = new Set<string>();
    const living = new Map<string, Set<Socket>>();
    for (const [at, { node, atMs, sockets, flows }] of reports.entries()) {
      const before = living.get(node.name) ?? new Set();
      const now = new Set<Socket>();
      for (const { socket, ended } of sockets) {
        const sighting = this.#sockets.get(socket) ?? {
          first: at,
          firstMs: atMs,
          isFirstLook: !known.has(node.name),
          last: at,
          left: reports.length,
          hasLeft: false,
        };
        sighting.last = at;
        if (ended) leave(sighting, at);
        else now.add(socket);
        this.#sockets.set(socket, sighting);
      }
      for (const socket of before) if (!now.has(socket)) leave(this.#sockets.get(socket)!, at);
      living.set(node.name, now);
      known.add(node.name);
      for (const flow of flows) this.#flows.add(flow);
    }
  }

  /** When a socket was reported; null if it never was. */
  of(socket: Socket): Sighting | null {
    return this.#sockets.get(socket) ?? null;
  }

  /** Whether a flow was reported. */
  has(flow: Flow): boolean {
    return this.#flows.has(flow);
  }
}

function leave(sighting: Sighting, at: number): void {
  if (sighting.hasLeft) return;
  sighting.left = at;
  sighting.hasLeft = true;
}
