// A watch of the gRPC API that records when the first line of each connection arrived.

import { credentials } from "@grpc/grpc-js";
import type { ClientReadableStream } from "@grpc/grpc-js";

import type { GetCoverageResponse, WatchResponse } from "../../lib/gen/whotalks/v1/query.ts";
import { EventKind, Filter } from "../../lib/gen/whotalks/v1/query.ts";
import { QueryServiceClient } from "../../lib/gen/whotalks/v1/query_service.ts";

/** A connection as its opener reports it: milliseconds of CLOCK_MONOTONIC, and the client's port. */
export interface Birth {
  readonly bornMs: number;
  readonly port: number;
}

/** A running watch of the connections to one port. */
export class LatencyWatch {
  readonly #client: QueryServiceClient;
  readonly #call: ClientReadableStream<WatchResponse>;
  // When connections were opened, by their client's port: one port may serve several, one after the other.
  readonly #linesMs = new Map<number, number[]>();

  constructor(address: string, port: number) {
    this.#client = new QueryServiceClient(address, credentials.createInsecure());
    this.#call = this.#client.watch({ filter: Filter.create({ ports: [port] }), initial: false });
    this.#call.on("data", (part: WatchResponse) => this.#take(part));
    // Cancelled when it is closed.
    this.#call.on("error", () => undefined);
  }

  /** How the agent hears of sockets, as coverage says. */
  async eventsMode(): Promise<string> {
    const { coverage } = await new Promise<GetCoverageResponse>((resolve, reject) => {
      this.#client.getCoverage({ pods: false }, (error, answer) =>
        error === null ? resolve(answer) : reject(error),
      );
    });
    return coverage?.nodes[0]?.events ?? "unknown";
  }

  /** Milliseconds from each birth to its line, sorted; births without a line are left out. */
  latenciesMs(births: readonly Birth[]): number[] {
    const latencies: number[] = [];
    for (const { bornMs, port } of births) {
      const lineMs = this.#linesMs.get(port)?.find((each) => each >= bornMs);
      if (lineMs !== undefined) latencies.push(lineMs - bornMs);
    }
    return latencies.toSorted((a, b) => a - b);
  }

  close(): void {
    this.#call.cancel();
    this.#client.close();
  }

  #take({ event }: WatchResponse): void {
    if (event?.kind !== EventKind.EVENT_KIND_OPENED) return;
    const nowMs = Number(process.hrtime.bigint()) / 1e6;
    const port = event.connection?.client?.port ?? 0;
    const lines = this.#linesMs.get(port);
    if (lines === undefined) this.#linesMs.set(port, [nowMs]);
    else lines.push(nowMs);
  }
}
