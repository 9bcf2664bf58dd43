// Connects the command line to a cluster's aggregator without configuration: uses kubectl's kubeconfig, finds
// the aggregator by its labels, and port-forwards through the API server to a local listener that gRPC dials.

import { mkdtemp, rm } from "node:fs/promises";
import { createServer } from "node:net";
import type { AddressInfo, Server, Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";

import { contextNamespace, loadKubeConfig } from "../../lib/kubernetes/kube-config.ts";
import { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import { writeDuration } from "../../lib/duration.ts";
import type { ClusterChoice } from "../command/cluster-choice.ts";
import { FailureError } from "../command/errors.ts";
import { asFailure, findAggregator } from "./find-aggregator.ts";
import type { AggregatorPod } from "./find-aggregator.ts";
import { openTunnel } from "./pod-tunnel.ts";
import type { PodTunnel } from "./pod-tunnel.ts";

/** A connection to the aggregator. */
export interface ClusterConnection {
  /** The address for gRPC: unix:PATH, or 127.0.0.1:PORT on Windows. */
  readonly address: string;
  /** The aggregator's pod, as NAMESPACE/POD. */
  readonly place: string;
  readonly api: KubernetesApi;
  /** Namespace of the kubeconfig's context. */
  readonly contextNamespace: string;
  /** The last problem with the tunnel, as a sentence; empty if there was none. */
  trouble(): string;
  close(): Promise<void>;
}

/**
 * Connects, or gives up after the timeout. Throws FailureError or UsageError with a sentence that says what to do, or what
 * it waited for.
 */
export async function connectCluster(choice: ClusterChoice, timeoutMs: number): Promise<ClusterConnection> {
  const { config, api } = loadCluster(choice);
  const forward = new Forward(config, api, choice.namespace);
  try {
    await within(forward.start(), timeoutMs, () => lateSentence(forward.waitsFor, timeoutMs));
    const listener = await listen((socket) => forward.carry(socket));
    return {
      address: listener.address,
      place: forward.place,
      api,
      contextNamespace: contextNamespace(config),
      trouble: () =>
        forward.trouble === "" && forward.waitsFor !== ""
          ? lateSentence(forward.waitsFor, timeoutMs)
          : forward.trouble,
      close: async () => {
        forward.close();
        await listener.close();
        api.close();
      },
    };
  } catch (error) {
    forward.close();
    api.close();
    throw asFailure(error);
  }
}

function loadCluster(choice: ClusterChoice): { config: KubeConfig; api: KubernetesApi } {
  try {
    const config = loadKubeConfig(choice);
    return { config, api: new KubernetesApi(config) };
  } catch (error) {
    throw asFailure(error);
  }
}

function lateSentence(waitsFor: string, timeoutMs: number): string {
  return `${waitsFor} within ${writeDuration(timeoutMs)}: look whether it is well, or give it more --timeout.`;
}

// Rejects with the sentence if the work takes longer.
async function within(work: Promise<void>, timeoutMs: number, sentence: () => string): Promise<void> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new FailureError(sentence())), timeoutMs);
  });
  // What comes after the timeout is of no use.
  work.catch(() => {});
  await Promise.race([work, late]).finally(() => clearTimeout(timer));
}

// Opens one tunnel per local connection. The first is opened at the start, so that errors (no permission, no
// such pod) are reported before anybody waits for an answer.
class Forward {
  trouble = "";
  /** Who has not answered yet, and to what; empty while nothing is waited for. */
  waitsFor = "";
  readonly #config: KubeConfig;
  readonly #api: KubernetesApi;
  readonly #namespace: string | undefined;
  readonly #sockets = new Set<Socket>();
  readonly #tunnels = new Set<PodTunnel>();
  #pod: AggregatorPod | undefined;
  #waiting: PodTunnel | undefined;

  constructor(config: KubeConfig, api: KubernetesApi, namespace: string | undefined) {
    this.#config = config;
    this.#api = api;
    this.#namespace = namespace;
  }

  /** The aggregator's pod, as NAMESPACE/NAME; empty before start(). */
  get place(): string {
    return this.#pod === undefined ? "" : `${this.#pod.namespace}/${this.#pod.name}`;
  }

  async start(): Promise<void> {
    this.#waiting = await this.#open();
  }

  carry(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#sockets.delete(socket));
    void this.#join(socket);
  }

  async #join(socket: Socket): Promise<void> {
    try {
      const tunnel = await this.#tunnel();
      socket.on("close", () => {
        if (tunnel.error !== "") this.trouble = tunnel.error;
        this.#tunnels.delete(tunnel);
      });
      tunnel.join(socket);
      if (socket.destroyed) tunnel.close();
    } catch (error) {
      this.trouble = (error as Error).message;
      socket.destroy();
    }
  }

  close(): void {
    for (const socket of this.#sockets) socket.destroy();
    for (const tunnel of this.#tunnels) tunnel.close();
  }

  async #tunnel(): Promise<PodTunnel> {
    const waiting = this.#waiting;
    this.#waiting = undefined;
    return waiting?.open === true ? waiting : await this.#open();
  }

  async #open(): Promise<PodTunnel> {
    const { server } = this.#api;
    this.waitsFor = `The API server ${server} did not answer which pods whotalks has`;
    try {
      this.#pod ??= await findAggregator(this.#api, this.#namespace);
      const pod = this.#pod;
      this.waitsFor = `The API server ${server} did not open a port-forward to pod ${pod.namespace}/${pod.name}`;
      const tunnel = await openTunnel(this.#config, pod);
      this.#tunnels.add(tunnel);
      return tunnel;
    } catch (error) {
      // The pod is gone: find another one next time.
      if (error instanceof KubernetesError && error.code !== "forbidden") this.#pod = undefined;
      throw error;
    } finally {
      this.waitsFor = "";
    }
  }
}

// Listens on a socket in a private directory rather than on a port, if the system has such sockets: anyone who
// can dial a port on this machine could query the cluster with this user's identity.
async function listen(carry: (socket: Socket) => void): Promise<{ address: string; close(): Promise<void> }> {
  const server = createServer(carry);
  if (process.platform === "win32") {
    await listening(server, { host: "127.0.0.1", port: 0 });
    return { address: `127.0.0.1:${(server.address() as AddressInfo).port}`, close: () => closed(server) };
  }
  const directory = await mkdtemp(join(tmpdir(), "whotalks-"));
  const path = join(directory, "grpc");
  await listening(server, { path });
  return {
    address: `unix:${path}`,
    close: async () => {
      await closed(server);
      await rm(directory, { recursive: true, force: true });
    },
  };
}

function listening(server: Server, where: { path: string } | { host: string; port: number }): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", reject);
    server.listen(where, resolve);
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((resolve) => {
    server.close(() => resolve());
  });
}
