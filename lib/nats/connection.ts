// The connection to NATS, for agents and aggregators: retries until connected, and knows whether it is
// connected now.

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

/** NATS servers and credentials. Files are read at every connect, so that they may be rotated. */
export interface NatsOptions {
  /** `nats://host:port` or `tls://host:port`; several for a cluster. */
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
  /** First tokens of the subjects on which answers arrive; `_INBOX` by default. */
  readonly inboxPrefix?: string | undefined;
}

/**
 * Backoff between attempts: 0.25 s at first, 5 s at most, so that a restarted NATS is found within seconds.
 */
const RECONNECT: RetryRange = { firstMs: 250, maxMs: 5000 };

/** Timeout of one attempt. */
const CONNECT_TIMEOUT_MS = 5000;

/** A silent peer is dropped after two unanswered pings: 20 s. */
const PING_INTERVAL_MS = 10_000;

/** A connection that reconnects by itself. */
export class NatsLink {
  readonly connection: NatsConnection;
  /** How often the connection was lost since the start. */
  disconnects = 0;
  #connected = true;
  readonly #listeners = new Set<(connected: boolean) => void>();

  constructor(connection: NatsConnection, log: Log, attempts: { count: number }) {
    this.connection = connection;
    void this.#follow(log, attempts);
  }

  /** Whether the connection is up now. */
  get connected(): boolean {
    return this.#connected && !this.connection.isClosed();
  }

  /** Calls back whenever the connection is lost or restored; returns a function that unsubscribes. */
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
 * Connects, retrying without limit, and stays connected until closed. Rejects only if the signal is aborted or
 * a credentials file cannot be read at the first attempt.
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
    // This is called more than once per attempt; attempts are counted elsewhere.
    reconnectDelayHandler: () => retryDelayMs(attempts.count + 1, RECONNECT),
    // Credentials may be rotated a little later than those of NATS: do not give up when refused.
    ignoreAuthErrorAbort: true,
    // The configured name is resolved at every attempt; pod addresses, which NATS would advertise, go stale.
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
