// Keeps up with every object of one kind: lists them page by page, then watches from the list's version on,
// for ever. A connection that ends is taken up again where it ended; a version that the server no longer has
// (410) means a new list, after which what it did not name is told as removed.
// https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes

import type { IncomingMessage } from "node:http";
import { StringDecoder } from "node:string_decoder";

import { retryDelayMs } from "../retry-delay.ts";
import type { RetryRange } from "../retry-delay.ts";
import type { KubernetesApi } from "./kubernetes-api.ts";
import { asKubernetesError, errorOfStatus, KubernetesError } from "./kubernetes-error.ts";

/** Objects asked for at once. */
const PAGE_OBJECTS = 500;
/** One line of a watch at most: etcd takes 1.5 MiB an object, and JSON is about thrice its stored form. */
const LINE_CHARS_MAX = 8 * 1024 * 1024;
/** How long a watch is asked to last, in seconds, at least and at most; jitter spreads the re-connections. */
const WATCH_SECONDS_MIN = 240;
const WATCH_SECONDS_MAX = 300;
/** Bookmarks come about once a minute: a watch that is silent for longer than two has died unnoticed. */
const WATCH_IDLE_MS = 150_000;
/** Pauses after failures: an API server that comes back is found within half a minute. */
const RETRY: RetryRange = { firstMs: 250, maxMs: 30_000 };
/** A watch that ended sooner than this counts as a failure, so that a server that hangs up is not hammered. */
const WATCH_SHORT_MS = 1000;

/** A kind of object and where it is found. */
export interface Resource {
  /**
   * Plural name, with its API group where it has one ("replicasets.apps"): as kubectl and RBAC messages write
   * it.
   */
  readonly name: string;
  /** Path of the list over all namespaces ("/apis/apps/v1/replicasets"). */
  readonly path: string;
  /** Whether metadata is all that is wanted: the server then sends nothing else. */
  readonly metadataOnly: boolean;
  /** Objects kept at most; those beyond are counted and left out. */
  readonly objectsMax: number;
  /** Which objects only ("spec.nodeName=n1"); all where absent. */
  readonly fieldSelector?: string;
}

/** What is told. Calls come in the server's order, from one place, never at once. */
export interface ResourceHandler {
  /**
   * An object that is new, changed, or (after a new list) merely still there. Gives false where it made no
   * sense.
   */
  put(object: unknown, listed: boolean): boolean;
  /** An object is gone. */
  remove(uid: string): void;
  /** A whole list has been told. */
  listed(): void;
  /** A call failed; it will be tried again. */
  failed(verb: "list" | "watch", error: KubernetesError): void;
  /** A call works again after failures. */
  recovered(): void;
}

/** How it goes. */
export interface ListWatchState {
  readonly objects: number;
  /** Whole lists taken so far. */
  readonly lists: number;
  readonly errors: number;
  /** Objects that found no place. */
  readonly overflowed: number;
  /** Objects that made no sense. */
  readonly malformed: number;
  /** Milliseconds since what is known was known to be the latest; 0 while a watch is open. */
  readonly ageMs: number;
}

interface Metadata {
  readonly uid: string;
  readonly resourceVersion: string;
}

/** One running list and watch. */
export class ListWatch {
  readonly resource: Resource;
  /** Resolves once the first list has been told, or once the server has said that there is none for us. */
  readonly settled: Promise<void>;
  readonly #api: KubernetesApi;
  readonly #handler: ResourceHandler;
  readonly #random: () => number;
  readonly #stop = new AbortController();
  readonly #running: Promise<void>;
  // Uid → number of the attempt at a list that named it last; what a new list does not name is gone.
  readonly #known = new Map<string, number>();
  #settle: () => void = () => {};
  #version = "";
  #attempt = 0;
  #lists = 0;
  #errors = 0;
  #overflowed = 0;
  #malformed = 0;
  #failures = 0;
  #broken = false;
  #watching = false;
  #heardAt = performance.now();

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
    this.settled = new Promise((resolve) => (this.#settle = resolve));
    this.#running = this.#run();
  }

  get state(): ListWatchState {
    return {
      objects: this.#known.size,
      lists: this.#lists,
      errors: this.#errors,
      overflowed: this.#overflowed,
      malformed: this.#malformed,
      ageMs: this.#watching ? 0 : Math.round(performance.now() - this.#heardAt),
    };
  }

  /** Ends the watch; resolves once nothing more will be told. */
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
        if (performance.now() - startedAt < WATCH_SHORT_MS) await this.#pause();
        else this.#failures = 0;
      } catch (thrown) {
        if (this.#stop.signal.aborted) return;
        const error = asKubernetesError(thrown, this.#api.server);
        if (error.code === "gone" && verb === "watch") {
          this.#version = "";
          continue;
        }
        this.#errors++;
        if (error.code === "forbidden" || error.code === "not-found") this.#settle();
        this.#broken = true;
        this.#handler.failed(verb, error);
        await this.#pause();
      }
    }
  }

  async #list(): Promise<void> {
    const attempt = ++this.#attempt;
    let token = "";
    let version = "";
    do {
      const query: Record<string, string> = { limit: String(PAGE_OBJECTS), ...this.#selection() };
      if (token !== "") query["continue"] = token;
      const page = parsePage(await this.#api.getJson(this.resource.path, query, this.#options("List")));
      for (const item of page.items) this.#put(item, true);
      token = page.token;
      version = page.version;
    } while (token !== "" && !this.#stop.signal.aborted);
    for (const [uid, named] of this.#known) if (named !== attempt) this.#remove(uid);
    this.#lists++;
    this.#version = version;
    this.#heardAt = performance.now();
    this.#succeeded();
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
    this.#watching = true;
    this.#opened();
    try {
      await eachLine(response, (line) => {
        this.#event(line);
        this.#succeeded();
      });
    } finally {
      this.#watching = false;
      this.#heardAt = performance.now();
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
      this.#malformed++;
      return;
    }
    if (event.type === "DELETED") this.#remove(metadata.uid);
    else if (event.type !== "BOOKMARK") this.#put(event.object, false);
    this.#version = metadata.resourceVersion;
  }

  #put(object: unknown, listed: boolean): void {
    const metadata = metadataOf(object);
    if (metadata === null || metadata.uid === "") {
      this.#malformed++;
      return;
    }
    if (!this.#known.has(metadata.uid) && this.#known.size >= this.resource.objectsMax) {
      this.#overflowed++;
      return;
    }
    this.#known.set(metadata.uid, this.#attempt);
    if (!this.#handler.put(object, listed)) this.#malformed++;
  }

  #remove(uid: string): void {
    if (this.#known.delete(uid)) this.#handler.remove(uid);
  }

  // That a watch could be opened ends an outage; only what came over it ends the lengthening of the pauses.
  #opened(): void {
    if (this.#broken) this.#handler.recovered();
    this.#broken = false;
  }

  #succeeded(): void {
    this.#opened();
    this.#failures = 0;
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

  async #pause(): Promise<void> {
    const pauseMs = retryDelayMs(++this.#failures, RETRY, this.#random);
    await new Promise<void>((resolve) => {
      const signal = this.#stop.signal;
      const timer = setTimeout(done, pauseMs);
      signal.addEventListener("abort", done, { once: true });
      function done(): void {
        clearTimeout(timer);
        signal.removeEventListener("abort", done);
        resolve();
      }
    });
  }
}

// A bookmark has no uid, everything else has both.
function metadataOf(object: unknown): Metadata | null {
  const metadata = (object as { metadata?: { uid?: unknown; resourceVersion?: unknown } } | null)?.metadata;
  if (typeof metadata?.resourceVersion !== "string") return null;
  return {
    uid: typeof metadata.uid === "string" ? metadata.uid : "",
    resourceVersion: metadata.resourceVersion,
  };
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
