// Whole aggregators against a real nats-server, without a Kubernetes API.

import assert from "node:assert/strict";
import { createServer } from "node:net";
import type { AddressInfo } from "node:net";
import type { TestContext } from "node:test";

import { credentials } from "@grpc/grpc-js";
import { jetstream, jetstreamManager } from "@nats-io/jetstream";

import type { Connection, Edge, ListEdgesResponse } from "../../../lib/gen/whotalks/v1/query.ts";
import { Coverage } from "../../../lib/gen/whotalks/v1/query.ts";
import { QueryServiceClient } from "../../../lib/gen/whotalks/v1/query_service.ts";
import { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import { connectForEver } from "../../../lib/nats/connection.ts";
import type { NatsLink } from "../../../lib/nats/connection.ts";
import type { StreamSettings } from "../../../lib/nats/stream.ts";
import { ensureStream } from "../../../lib/nats/stream.ts";
import { reportSubject, STREAM_NAME } from "../../../lib/nats/subjects.ts";
import { encodeReport } from "../../../lib/report-codec.ts";
import type { SocketTable } from "../../../lib/socket-table.ts";
import { TestNatsServer } from "../../../lib/testing/nats-server.ts";
import { silentLog } from "../../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../../lib/testing/stream-settings.ts";
import { readAggregatorConfig } from "../config.ts";
import { runAggregator } from "../run-aggregator.ts";

/** A running aggregator. */
export interface RunningAggregator {
  readonly grpc: string;
  readonly http: string;
  readonly stop: () => Promise<void>;
}

type ReportParts = Parameters<typeof Report.fromPartial>[0];

/** A nats-server, what agents would publish to it, and aggregators that run until the test's end. */
export class RunningAggregators {
  readonly nats: TestNatsServer;
  readonly link: NatsLink;
  readonly #context: TestContext;

  private constructor(context: TestContext, nats: TestNatsServer, link: NatsLink) {
    this.#context = context;
    this.nats = nats;
    this.link = link;
  }

  /** Starts the server, with the stream. */
  static async start(
    context: TestContext,
    stream: StreamSettings = defaultStreamSettings,
  ): Promise<RunningAggregators> {
    const nats = await TestNatsServer.start();
    context.after(() => nats.remove());
    const link = await connectForEver({ servers: [nats.url], name: "test" }, silentLog, context.signal);
    context.after(() => link.close());
    await ensureStream(await jetstreamManager(link.connection), stream);
    return new RunningAggregators(context, nats, link);
  }

  /** Publishes a report. */
  async publish(parts: ReportParts, sockets?: SocketTable): Promise<void> {
    const report = Report.fromPartial({ schema: 1, bootId: "b", epoch: 1, parts: 1, ...parts });
    const rows = sockets === undefined ? {} : { sockets: { table: sockets, from: 0, to: sockets.length } };
    await this.publishBytes(report.node, report.keyframe, encodeReport(report, rows));
  }

  /** Publishes an encoded report. */
  async publishBytes(node: string, keyframe: boolean, bytes: Uint8Array): Promise<void> {
    await jetstream(this.link.connection).publish(reportSubject(node, keyframe), bytes);
  }

  /** Number of the first message that the stream still has. */
  async firstSequence(): Promise<number> {
    const manager = await jetstreamManager(this.link.connection);
    return (await manager.streams.info(STREAM_NAME)).state.first_seq;
  }

  /** Runs an aggregator until stop() or the test's end. */
  async aggregate(environment: Readonly<Record<string, string>> = {}): Promise<RunningAggregator> {
    const [grpc, http] = [await freeAddress(), await freeAddress()];
    const config = readAggregatorConfig(
      {
        WHOTALKS_NATS_URL: this.nats.url,
        WHOTALKS_GRPC_ADDRESS: grpc,
        WHOTALKS_HTTP_ADDRESS: http,
        ...environment,
      },
      [],
    );
    assert.equal(config.kind, "settings");
    const stopping = new AbortController();
    const running = runAggregator(config.values, { HOME: "/no/such/home" }, silentLog, stopping.signal);
    const stop = async (): Promise<void> => {
      stopping.abort();
      await running;
    };
    this.#context.after(stop);
    return { grpc, http, stop };
  }
}

async function freeAddress(): Promise<string> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}

/** Whether an aggregator is ready to answer. */
export async function isReady(http: string): Promise<boolean> {
  const response = await fetch(`http://${http}/readyz`).catch(() => null);
  return response?.status === 200;
}

/** The connections that an aggregator answers with. */
export async function connectionsOf(grpc: string): Promise<Connection[]> {
  const client = new QueryServiceClient(grpc, credentials.createInsecure());
  const found: Connection[] = [];
  for await (const part of client.listConnections({ filter: undefined, limit: 0 })) {
    found.push(...((part as { batch?: { connections: Connection[] } }).batch?.connections ?? []));
  }
  client.close();
  return found;
}

/** The edges that an aggregator answers with, and their coverage. */
export async function edgesOf(grpc: string): Promise<{ edges: Edge[]; coverage: Coverage }> {
  const client = new QueryServiceClient(grpc, credentials.createInsecure());
  const edges: Edge[] = [];
  let coverage = Coverage.create();
  for await (const part of client.listEdges({ filter: undefined, limit: 0 })) {
    const { header, batch } = part as ListEdgesResponse;
    if (header?.coverage !== undefined) coverage = header.coverage;
    edges.push(...(batch?.edges ?? []));
  }
  client.close();
  return { edges, coverage };
}
