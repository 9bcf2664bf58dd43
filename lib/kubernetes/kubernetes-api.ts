// Reads from the Kubernetes API: one GET as JSON, or as a stream of lines. The client library authenticates
// (certificates, rotating tokens, exec plugins; in a pod its service account); the request itself is Node's
// own, so that the bytes of a watch are bounded here and errors carry the server's own sentence.

import type { Agent as HttpAgent, IncomingMessage, OutgoingHttpHeaders } from "node:http";
import { Agent as HttpsAgent, get as httpsGet } from "node:https";
import type { RequestOptions } from "node:https";

import { nodeHttp } from "../http/node-http.ts";
import { asKubernetesError, errorOfStatus, KubernetesError } from "./kubernetes-error.ts";

/**
 * Largest page of a list: 500 objects of 256 KiB. A single object can have 1.5 MiB, but not five hundred in a
 * row.
 */
const BODY_BYTES_MAX = 128 * 1024 * 1024;
/** An error's body is a Status object, a few hundred bytes; longer bodies are truncated. */
const ERROR_BYTES_MAX = 64 * 1024;
/** A request that transfers no byte for this long has failed. */
const IDLE_MS = 30_000;

/** Options of a GET. */
interface GetOptions {
  /** Accept header; plain JSON by default. */
  readonly accept?: string;
  /** Aborts the request. */
  readonly signal?: AbortSignal;
  /** Milliseconds without a byte after which the request has failed (30 s by default). */
  readonly idleMs?: number;
}

/** Cluster and identity: the client library's kubeconfig, or a pod's service account. */
export interface ClusterAccess {
  /** The API server's URL, and that of a proxy in front of it; null if no cluster is chosen. */
  getCurrentCluster(): { readonly server: string; readonly proxyUrl?: string } | null;
  /** Adds authority, certificates and tokens to the options of a request. */
  applyToHTTPSOptions(options: RequestOptions): Promise<void>;
}

/** The API of one cluster, used with one identity. */
export class KubernetesApi {
  /** URL of the API server. */
  readonly server: string;
  readonly #config: ClusterAccess;
  // TLS options belong to each request and not to the agent, so that a rotated certificate opens a new
  // connection.
  readonly #agent: HttpAgent | HttpsAgent;

  constructor(config: ClusterAccess) {
    const cluster = config.getCurrentCluster();
    if (cluster === null) throw new KubernetesError("no-config", "the kubeconfig names no cluster");
    this.#config = config;
    this.server = cluster.server;
    const options = { keepAlive: true, maxSockets: 32 };
    this.#agent = cluster.server.startsWith("https:") ? new HttpsAgent(options) : new nodeHttp.Agent(options);
  }

  /** GETs a path with a query and parses the response. Throws a KubernetesError. */
  async getJson(
    path: string,
    query: Readonly<Record<string, string>>,
    options: GetOptions = {},
  ): Promise<unknown> {
    try {
      const response = await this.#open(path, query, options);
      const body = await readBody(response, BODY_BYTES_MAX);
      if (!body.complete)
        throw new KubernetesError("unexpected", `answer to ${path} is longer than ${BODY_BYTES_MAX} bytes`);
      return JSON.parse(body.text);
    } catch (error) {
      throw asKubernetesError(error, this.server);
    }
  }

  /**
   * GETs a path and returns the response as a stream; the caller reads or destroys it. Throws a
   * KubernetesError.
   */
  async getStream(
    path: string,
    query: Readonly<Record<string, string>>,
    options: GetOptions = {},
  ): Promise<IncomingMessage> {
    try {
      return await this.#open(path, query, options);
    } catch (error) {
      throw asKubernetesError(error, this.server);
    }
  }

  /** Closes idle connections. */
  close(): void {
    this.#agent.destroy();
  }

  async #open(
    path: string,
    query: Readonly<Record<string, string>>,
    options: GetOptions,
  ): Promise<IncomingMessage> {
    const url = new URL(this.server.replace(/\/$/, "") + path);
    for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
    const request: RequestOptions = { headers: {} };
    await this.#config.applyToHTTPSOptions(request);
    // Use the library's agent only for a proxy: it keeps the certificate of the first request.
    if (!this.#config.getCurrentCluster()?.proxyUrl) request.agent = this.#agent;
    request.headers = {
      ...(request.headers as OutgoingHttpHeaders),
      accept: options.accept ?? "application/json",
    };
    if (options.signal !== undefined) request.signal = options.signal;
    const response = await send(url, request, options.idleMs ?? IDLE_MS);
    if (response.statusCode === 200) return response;
    const body = await readBody(response, ERROR_BYTES_MAX);
    throw errorOfStatus(response.statusCode ?? 0, messageOfStatus(body.text));
  }
}

function send(url: URL, options: RequestOptions, idleMs: number): Promise<IncomingMessage> {
  return new Promise((resolve, reject) => {
    const get = url.protocol === "https:" ? httpsGet : nodeHttp.get;
    const request = get(url, options, resolve);
    request.on("error", reject);
    request.setTimeout(idleMs, () => request.destroy(new Error(`nothing came for ${idleMs} ms`)));
  });
}

async function readBody(
  response: IncomingMessage,
  bytesMax: number,
): Promise<{ text: string; complete: boolean }> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of response as AsyncIterable<Buffer>) {
    bytes += chunk.length;
    if (bytes > bytesMax) {
      response.destroy();
      return { text: "", complete: false };
    }
    chunks.push(chunk);
  }
  return { text: Buffer.concat(chunks).toString("utf8"), complete: true };
}

function messageOfStatus(text: string): string {
  try {
    const status = JSON.parse(text) as { message?: unknown };
    return typeof status.message === "string" ? status.message : "";
  } catch {
    return "";
  }
}
