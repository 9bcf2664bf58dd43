// The HTTP server for the operators of each program: /metrics for Prometheus, /livez and /readyz for the
// kubelet. It exposes nothing about who talks to what.

import type { Server, ServerResponse } from "node:http";

import type { Registry } from "prom-client";

import { nodeHttp } from "./node-http.ts";

/** Returns null if all is well, else the reason as one sentence. */
type Probe = () => string | null;

/** Options of the operations server. */
interface OperationsServerOptions {
  readonly host: string;
  /** 0 picks a free port. */
  readonly port: number;
  readonly metrics: Registry;
  readonly live: Probe;
  readonly ready: Probe;
}

/** Longest duration of a request; scrapes take milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Concurrent connections: a Prometheus or two, the kubelet, a curious operator. */
const CONNECTIONS_MAX = 64;

/** A running server. */
interface OperationsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts the server. Rejects with Node's error if it cannot bind the address (EADDRINUSE, EACCES). */
export async function startOperationsServer(options: OperationsServerOptions): Promise<OperationsServer> {
  const server = nodeHttp.createServer((request, response) => {
    const path = (request.url ?? "/").split("?")[0];
    if (request.method !== "GET" && request.method !== "HEAD") answer(response, 405, "only GET\n");
    else if (path === "/metrics") void sendMetrics(response, options.metrics);
    else if (path === "/livez") sendProbe(response, options.live);
    else if (path === "/readyz") sendProbe(response, options.ready);
    else answer(response, 404, "there are /metrics, /livez and /readyz\n");
  });
  server.requestTimeout = REQUEST_TIMEOUT_MS;
  server.headersTimeout = REQUEST_TIMEOUT_MS;
  server.maxConnections = CONNECTIONS_MAX;
  await listen(server, options.host, options.port);
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : options.port;
  return {
    port,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

function listen(server: Server, host: string, port: number): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(port, host, () => {
      server.off("error", reject);
      resolve();
    });
  });
}

async function sendMetrics(response: ServerResponse, metrics: Registry): Promise<void> {
  try {
    const body = await metrics.metrics();
    response.setHeader("content-type", metrics.contentType);
    answer(response, 200, body);
  } catch (error) {
    answer(
      response,
      500,
      `cannot collect metrics: ${error instanceof Error ? error.message : String(error)}\n`,
    );
  }
}

function sendProbe(response: ServerResponse, probe: Probe): void {
  const reason = probe();
  answer(response, reason === null ? 200 : 503, reason === null ? "ok\n" : `${reason}\n`);
}

function answer(response: ServerResponse, status: number, body: string): void {
  response.statusCode = status;
  if (!response.hasHeader("content-type")) response.setHeader("content-type", "text/plain; charset=utf-8");
  response.end(body);
}
