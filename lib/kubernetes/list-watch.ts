// Tracks all objects of one kind: lists them page by page, then watches from the list's version on, until
// stopped. A connection that ends is resumed where it ended; if the server no longer has the version (410), it
// lists again and reports objects that are missing from the new list as removed.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";

import { CallHealth } from "./call-health.ts";
import type { OutageHandler } from "./call-health.ts";
import { KnownObjects, metadataOf } from "./known-objects.ts";
import type { ObjectCounts, ObjectHandler } from "./known-objects.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import { asKubernetesError, errorOfStatus, KubernetesError } from "./kubernetes-error.ts";

/** Objects per page. */
const PAGE_OBJECTS = 500;
/** Longest line of a watch: etcd accepts 1.5 MiB per object, and JSON is about three times its stored form. */
const LINE_CHARS_MAX = 8 * 1024 * 1024;
/** Range of the requested duration of a watch, in seconds; jitter spreads the reconnections. */
const WATCH_SECONDS_MIN = 240;
const WATCH_SECONDS_MAX = 300;
/** Bookmarks arrive about once a minute: a watch that is silent for more than two minutes is dead. */
const WATCH_IDLE_MS = 150_000;
/** A watch that ends sooner counts as a failure, so that a server that hangs up is not hammered. */
const WATCH_SHORT_MS = 1000;

/** A kind of object and its path. */
export interface Resource {
  /**
   * Plural name, with its API group if it has one ("replicasets.apps"), as kubectl and RBAC messages write it.
   */
  readonly name: string;
  /** Path of the list over all namespaces ("/apis/apps/v1/replicasets"). */
  readonly path: string;
  /** Whether to request metadata only: the server then sends nothing else. */
  readonly metadataOnly: boolean;
  /** Objects kept at most; objects beyond the limit are counted and dropped. */
  readonly objectsMax: number;
  /** Field selector ("spec.nodeName=n1"); all objects if absent. */
  readonly fieldSelector?: string;
}

/** Receives the changes. Calls come in the server's order, one at a time. */
export interface ResourceHandler extends ObjectHandler, OutageHandler {
  /** A list is complete. */
  listed(): void;
}

/** State of a list and watch. */
export interface ListWatchState extends ObjectCounts {
  readonly errors: number;
  /** Milliseconds since the objects were last known to be current; 0 while a watch is open. */
  readonly ageMs: number;
}

/** A running list and watch. */
export class ListWatch {
  readonly resource: Resource;
  /**
   * Resolves once the first list is complete, or once the server has answered that we may not list it or that
   * it does not exist.
   */
  readonly settled: Promise<void>;
  readonly #api: KubernetesApi;
  readonly #handler: ResourceHandler;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  readonly #objects: KnownObjects;
  readonly #health: CallHealth;
  #settle: () => void = () => {};
  #version = "";
  // When the objects were last known to be current; null while a watch is open.
  #currentMs: number | null = performance.now();

  constructor(
    api: KubernetesApi,
    resource: Resource,
    handler: ResourceHandler,
    random: () => number = Math.random,
  ) {
    this.resource = resource;
    this.#api = api;
    this.#handler = handler;
    this.#random = random;
    this.#objects = new KnownObjects(handler, resource.objectsMax);
    this.#health = new CallHealth(handler, random);
    this.settled = new Promise((resolve) => (this.#settle = resolve));
    this.#running = this.#run();
  }

  get state(): ListWatchState {
    return {
      ...this.#objects.counts,
      errors: this.#health.errors,
      ageMs: this.#currentMs === null ? 0 : Math.round(performance.now() - this.#currentMs),
    };
  }

  /** Stops the watch; resolves once the handler will not be called again. */
  async stop(): Promise<void> {
    this.#stop.abort();
    await this.#running;
  }

  async #run(): Promise<void> {
    let verb: "list" | "watch" = "list";
    while (!this.#stop.signal.aborted) {
      try {
        verb = this.#version === "" ? "list" : "watch";
        if (verb === "list") await this.#list();
        const startedAt = performance.now();
        verb = "watch";
        await this.#watch();
        if (performance.now() - startedAt < WATCH_SHORT_MS) await this.#health.pause(this.#stop.signal);
        else this.#health.resetBackoff();
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        const error = asKubernetesError(thrown, this.#api.server);
        if (error.code === "gone" && verb === "watch") {
          this.#version = "";
          continue;
        }
        if (error.code === "forbidden" || error.code === "not-found") this.#settle();
        this.#health.failed(verb, error);
        await this.#health.pause(this.#stop.signal);
      }
    }
  }

  async #list(): Promise<void> {
    this.#objects.beginList();
    let token = "";
    let version = "";
    do {
      const query: Record<string, string> = { limit: String(PAGE_OBJECTS), ...this.#selection() };
      if (token !== "") query["continue"] = token;
      const page = parsePage(await this.#api.getJson(this.resource.path, query, this.#options("List")));
      for (const item of page.items) this.#objects.put(item, true);
      token = page.token;
      version = page.version;
    } while (token !== "" && !this.#stop.signal.aborted);
    this.#objects.endList();
    this.#version = version;
    this.#currentMs = performance.now();
    this.#health.succeeded();
    this.#handler.listed();
    this.#settle();
  }

  async #watch(): Promise<void> {
    const span = WATCH_SECONDS_MIN + this.#random() * (WATCH_SECONDS_MAX - WATCH_SECONDS_MIN);
    const response = await this.#api.getStream(
      this.resource.path,
      {
        watch: "true",
        resourceVersion: this.#version,
        allowWatchBookmarks: "true",
        timeoutSeconds: String(Math.round(span)),
        ...this.#selection(),
      },
      { ...this.#options(""), idleMs: WATCH_IDLE_MS },
    );
    this.#currentMs = null;
    this.#health.opened();
    try {
      await eachLine(response, (line) => {
        this.#event(line);
        this.#health.succeeded();
      });
    } finally {
      this.#currentMs = performance.now();
      response.destroy();
    }
  }

  #event(line: string): void {
    const event = JSON.parse(line) as { type?: unknown; object?: unknown };
    if (event.type === "ERROR") {
      const status = event.object as { code?: number; message?: string };
      throw errorOfStatus(status.code ?? 0, status.message ?? "");
    }
    const metadata = metadataOf(event.object);
    if (metadata === null) {
      this.#objects.malformed++;
      return;
    }
    if (event.type === "DELETED") this.#objects.remove(metadata.uid);
    else if (event.type !== "BOOKMARK") this.#objects.put(event.object, false);
    this.#version = metadata.resourceVersion;
  }

  #options(suffix: string): { accept?: string; signal: AbortSignal } {
    const signal = this.#stop.signal;
    if (!this.resource.metadataOnly) return { signal };
    return { signal, accept: `application/json;as=PartialObjectMetadata${suffix};g=meta.k8s.io;v=v1` };
  }

  #selection(): Readonly<Record<string, string>> {
    const { fieldSelector } = this.resource;
    return fieldSelector === undefined ? {} : { fieldSelector };
  }
}

function parsePage(body: unknown): { items: readonly unknown[]; token: string; version: string } {
  const page = body as { items?: unknown; metadata?: { continue?: string; resourceVersion?: string } } | null;
  const version = page?.metadata?.resourceVersion;
  if (typeof version !== "string") throw new KubernetesError("unexpected", "the answer to a list is no list");
  return {
    items: Array.isArray(page?.items) ? page.items : [],
    token: page?.metadata?.continue ?? "",
    version,
  };
}

async function eachLine(response: IncomingMessage, take: (line: string) => void): Promise<void> {
  const decoder = new StringDecoder("utf8");
  let rest = "";
  for await (const chunk of response as AsyncIterable<Buffer>) {
    rest += decoder.write(chunk);
    let start = 0;
    for (let end = rest.indexOf("\n"); end >= 0; end = rest.indexOf("\n", start)) {
      if (end > start) take(rest.slice(start, end));
      start = end + 1;
    }
    rest = rest.slice(start);
    if (rest.length > LINE_CHARS_MAX)
      throw new KubernetesError("unexpected", "a line of the watch is too long");
  }
}
