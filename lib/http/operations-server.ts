// The HTTP server beside each program for those who operate it: /metrics for Prometheus, /livez and /readyz
// for the kubelet. Says nothing about who talks to what.

import type { Server, ServerResponse } from "node:http";

import type { Registry } from "prom-client";

import { nodeHttp } from "./node-http.ts";

/** What a probe answers: null where all is well, else why not, as one sentence. */
type Probe = () => string | null;

/** What is served. */
interface OperationsServerOptions {
  readonly host: string;
  /** 0 for any free one. */
  readonly port: number;
  readonly metrics: Registry;
  readonly live: Probe;
  readonly ready: Probe;
}

/** A request may take this long at most; scrapes take milliseconds. */
const REQUEST_TIMEOUT_MS = 10_000;
/** Connections at once: a Prometheus or two, the kubelet, a curious operator. */
const CONNECTIONS_MAX = 64;

/** A running server. */
interface OperationsServer {
  readonly port: number;
  close(): Promise<void>;
}

/** Starts it. Rejects with Node's error where the address cannot be had (EADDRINUSE, EACCES). */
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
