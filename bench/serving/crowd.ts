// The crowd, in a process of its own so that it does not delay those who measure: watches that are never
// read, lists that are read as fast as they come, and lists that are never read. Each call has a connection
// of its own, as every `kubectl whotalks` has. What ends is asked again.

import { setTimeout as sleep } from "node:timers/promises";

import type { ClientReadableStream, ServiceError } from "@grpc/grpc-js";
import { Client, credentials, status } from "@grpc/grpc-js";

import { QueryServiceService } from "../../lib/gen/whotalks/v1/query_service.ts";

import type { UnreadMethod } from "../../services/aggregator/testing/unread-call.ts";
import { UnreadCall } from "../../services/aggregator/testing/unread-call.ts";

/** What the crowd is asked to be. */
export interface CrowdOrder {
  readonly address: string;
  /** Calls of each kind. */
  readonly each: number;
}

/** What happened to the crowd so far. */
export interface CrowdFigures {
  readonly running: number;
  readonly listsRead: number;
  readonly bytesRead: number;
  readonly refused: number;
  readonly dropped: number;
  /** Other ends: status and sentence, with their number. */
  readonly failures: Readonly<Record<string, number>>;
}

/** Pause before what was refused or dropped is asked again. */
const AGAIN_MS = 2000;

const order = JSON.parse(process.argv[2]!) as CrowdOrder;
const figures = { running: 0, listsRead: 0, bytesRead: 0, refused: 0, dropped: 0 };
const failures: Record<string, number> = {};

process.on("message", () => {
  const now: CrowdFigures = { ...figures, failures };
  process.send!(now);
});
process.on("disconnect", () => process.exit());
const kinds: readonly (readonly [UnreadMethod, boolean])[] = [
  ["watch", false],
  ["listConnections", true],
  ["listConnections", false],
];
for (let number = 0; number < order.each; number++) {
  for (const [method, reads] of kinds) {
    // Some lists, read and unread, are of edges.
    const isEdges = method === "listConnections" && number % 5 === 0;
    void askForEver(isEdges ? "listEdges" : method, reads);
  }
  if (number % 20 === 0) await sleep(10);
}
process.send!("begun");

async function askForEver(method: UnreadMethod, reads: boolean): Promise<void> {
  const client = new Client(order.address, credentials.createInsecure(), {
    "grpc.use_local_subchannel_pool": 1,
  });
  while (true) {
    figures.running++;
    const error = reads ? await readOnce(client, method) : await leaveUnread(method);
    figures.running--;
    if (error === null) {
      figures.listsRead++;
      continue;
    }
    if (error.code === status.RESOURCE_EXHAUSTED && /RST_STREAM|Bandwidth/.test(error.details))
      figures.dropped++;
    else if (error.code === status.RESOURCE_EXHAUSTED) figures.refused++;
    else {
      // Without the time, which differs.
      const failure = `${error.code} ${error.details.replace(/ \(\d{4}-.*/, "")}`;
      failures[failure] = (failures[failure] ?? 0) + 1;
    }
    await sleep(AGAIN_MS);
  }
}

function readOnce(client: Client, method: UnreadMethod): Promise<ServiceError | null> {
  const { path, requestSerialize } = QueryServiceService[method];
  const call: ClientReadableStream<Buffer> = client.makeServerStreamRequest(
    path,
    requestSerialize as (value: unknown) => Buffer,
    (bytes: Buffer) => bytes,
    { filter: undefined, limit: 0 },
  );
  return new Promise((resolve) => {
    call.on("error", (error: ServiceError) => resolve(error));
    call.on("end", () => resolve(null));
    call.on("data", (bytes: Buffer) => (figures.bytesRead += bytes.length));
  });
}

async function leaveUnread(method: UnreadMethod): Promise<ServiceError | null> {
  const ended = await new UnreadCall(order.address, method).ended;
  if (ended === "reset 11") return { code: status.RESOURCE_EXHAUSTED, details: "RST_STREAM" } as ServiceError;
  if (ended === "status 8") return { code: status.RESOURCE_EXHAUSTED, details: "" } as ServiceError;
  return { code: status.UNKNOWN, details: ended } as ServiceError;
}
