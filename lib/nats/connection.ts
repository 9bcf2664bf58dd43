// The way to NATS, for agents and aggregators: connects for ever, and says whether it is connected now.

import { readFileSync } from "node:fs";
import { setTimeout as delay } from "node:timers/promises";
import {
  type Authenticator,
  type ConnectionOptions,
  connect,
  credsAuthenticator,
  type NatsConnection,
  tokenAuthenticator,
} from "@nats-io/transport-node";
import { type Log, LogThrottle } from "../program/log.ts";
import { type RetryRange, retryDelayMs } from "../retry-delay.ts";

/** Where NATS is and who we are there. Files are read again at every connect, so that they may be rotated. */
export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; more than one for a cluster. */
  readonly servers: readonly string[];
  /** Name of the client, as `nats server report connections` shows it. */
  readonly name: string;
  readonly user?: string | undefined;
  readonly password?: string | undefined;
  readonly token?: string | undefined;
  /** File that holds a token, such as a projected ServiceAccount token. */
  readonly tokenFile?: string | undefined;
  /** File that holds a JWT and seed (`nsc generate creds`). */
  readonly credentialsFile?: string | undefined;
  /** PEM files: the authority to trust, and the client's certificate and key. */
  readonly caFile?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  /** First tokens of the subjects on which answers arrive; `_INBOX` where not given. */
  readonly inboxPrefix?: string | undefined;
}

/** Waits between attempts: 0.25 s at first, 5 s at most, so that a restarted NATS is found within seconds. */
const RECONNECT: RetryRange = { firstMs: 250, maxMs: 5000 };

/** How long one attempt may take. */
const CONNECT_TIMEOUT_MS = 5000;

/** A silent peer is given up after two pings without an answer: 20 s. */
const PING_INTERVAL_MS = 10_000;

/** A connection that comes back by itself. */
export class NatsLink {
  readonly connection: NatsConnection;
  /** Times that the connection was lost since the start. */
  disconnects = 0;
  #connected = true;
  readonly #listeners = new Set<(connected: boolean) => void>();

  constructor(connection: NatsConnection, log: Log, attempts: { count: number }) {
    this.connection = connection;
    void this.#follow(log, attempts);
  }

  /** Whether the connection stands now. */
  get connected(): boolean {
    return this.#connected && !this.connection.isClosed();
  }

  /** Calls back at every loss and return of the connection; gives a function that ends it. */
  onChange(listener: (connected: boolean) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  async close(): Promise<void> {
    await this.connection.close();
  }

  async #follow(log: Log, attempts: { count: number }): Promise<void> {
    for await (const status of this.connection.status()) {
      if (status.type === "disconnect") {
        this.disconnects++;
        this.#change(false);
        log.warn({ server: status.server }, "lost the connection to NATS; connecting again");
      } else if (status.type === "reconnecting") {
        attempts.count++;
      } else if (status.type === "reconnect") {
        attempts.count = 0;
        this.#change(true);
        log.info({ server: status.server }, "connected to NATS again");
      } else if (status.type === "error") {
        log.debug({ err: status.error }, "NATS reports an error");
      }
    }
    this.#change(false);
  }

  #change(connected: boolean): void {
    this.#connected = connected;
    for (const listener of this.#listeners) listener(connected);
  }
}

/**
 * Connects, however long it takes, and stays connected until closed. Rejects only where the signal is aborted
 * or a file of credentials cannot be read at the first attempt.
 */
export async function connectForEver(options: NatsOptions, log: Log, signal: AbortSignal): Promise<NatsLink> {
  const attempts = { count: 0 };
  const connectionOptions = toConnectionOptions(options, attempts);
  const throttle = new LogThrottle(() => performance.now());
  for (;;) {
    signal.throwIfAborted();
    try {
      const link = new NatsLink(await connect(connectionOptions), log, attempts);
      attempts.count = 0;
      log.info({ server: link.connection.getServer() }, "connected to NATS");
      return link;
    } catch (error) {
      attempts.count++;
      const message = error instanceof Error ? error.message : String(error);
      if (throttle.allows(message)) {
        log.warn(
          { servers: options.servers, reason: message },
          "cannot connect to NATS yet; trying for ever",
        );
      }
    }
    await delay(retryDelayMs(attempts.count, RECONNECT), undefined, { signal });
  }
}

function toConnectionOptions(options: NatsOptions, attempts: { count: number }): ConnectionOptions {
  return {
    servers: [...options.servers],
    name: options.name,
    ...(options.user === undefined ? {} : { user: options.user, pass: options.password ?? "" }),
    ...(options.inboxPrefix === undefined ? {} : { inboxPrefix: options.inboxPrefix }),
    authenticator: authenticators(options),
    ...tlsOptions(options),
    timeout: CONNECT_TIMEOUT_MS,
    pingInterval: PING_INTERVAL_MS,
    maxPingOut: 2,
    maxReconnectAttempts: -1,
    // Asked more than once per attempt, so that the attempts themselves are counted elsewhere.
    reconnectDelayHandler: () => retryDelayMs(attempts.count + 1, RECONNECT),
    // Credentials may be rotated a little later than NATS is: refusal is no reason to give up.
    ignoreAuthErrorAbort: true,
    // The given name is resolved at every attempt; addresses of pods, which NATS would tell, go stale.
    ignoreClusterUpdates: true,
    noAsyncTraces: true,
  };
}

function authenticators(options: NatsOptions): Authenticator[] {
  const { token, tokenFile, credentialsFile } = options;
  const list: Authenticator[] = [];
  if (token !== undefined) list.push(tokenAuthenticator(token));
  if (tokenFile !== undefined) list.push(tokenAuthenticator(() => readFileSync(tokenFile, "utf8").trim()));
  if (credentialsFile !== undefined) list.push(credsAuthenticator(() => readFileSync(credentialsFile)));
  return list;
}

function tlsOptions(options: NatsOptions): Pick<ConnectionOptions, "tls"> {
  const { caFile, certFile, keyFile } = options;
  const wanted = caFile !== undefined || options.servers.some((server) => server.startsWith("tls://"));
  if (!wanted) return {};
  const tls = {
    ...(caFile === undefined ? {} : { caFile }),
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
  };
  return { tls };
}
