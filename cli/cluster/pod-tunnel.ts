// One byte stream to a port of a pod through the API server, as `kubectl port-forward` opens for each
// connection.
// https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/#get-connect-portforward-requests-to-proxy-of-pod

import type { Socket } from "node:net";
import { PassThrough } from "node:stream";

import type { KubeConfig } from "@kubernetes/client-node/dist/config.js";
import { PortForward } from "@kubernetes/client-node/dist/portforward.js";

import { errorOfStatus, KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";
import type { AggregatorPod } from "./find-aggregator.ts";

/** Load balancers cut idle WebSockets, often after a minute. */
const PING_MS = 20_000;
/** Longest error of the kubelet about an unreachable port, in characters. */
const ERROR_CHARS_MAX = 2000;

/** An open tunnel. */
export interface PodTunnel {
  /** Whether it can still be joined to a connection. */
  readonly open: boolean;
  /** The node's error; empty if there was none. */
  readonly error: string;
  /** Carries a local connection's bytes until either side ends. */
  join(socket: Socket): void;
  close(): void;
}

// The parts of the library's socket (ws) that are used here; the package isomorphic-ws has its types.
interface WebSocketLike {
  readonly readyState: number;
  ping(): void;
  close(): void;
  on(event: "close", listener: () => void): unknown;
  on(event: "error", listener: (error: Error) => void): unknown;
}

const READY_STATE_OPEN = 1;

/** Opens a tunnel; throws a KubernetesError (`forbidden`, `not-found`, `unreachable` …). */
export async function openTunnel(config: KubeConfig, pod: AggregatorPod): Promise<PodTunnel> {
  const fromPod = new PassThrough();
  const toPod = new PassThrough();
  const errors = new PassThrough();
  let error = "";
  errors.on("data", (chunk: Buffer) => (error = (error + chunk.toString("utf8")).slice(0, ERROR_CHARS_MAX)));
  const webSocket = await connect(config, pod, { fromPod, toPod, errors });
  const ping = setInterval(() => webSocket.ping(), PING_MS);
  ping.unref();
  webSocket.on("error", (reason) => (error = reason.message));
  webSocket.on("close", () => {
    clearInterval(ping);
    fromPod.end();
    toPod.destroy();
  });
  return {
    get open() {
      return webSocket.readyState === READY_STATE_OPEN;
    },
    get error() {
      return error;
    },
    join(socket) {
      // HTTP/2's flow control bounds the buffers: neither side sends more than the other has room for.
      socket.pipe(toPod);
      fromPod.pipe(socket);
      socket.on("error", () => webSocket.close());
      socket.on("close", () => webSocket.close());
    },
    close: () => webSocket.close(),
  };
}

async function connect(
  config: KubeConfig,
  pod: AggregatorPod,
  streams: { fromPod: PassThrough; toPod: PassThrough; errors: PassThrough },
): Promise<WebSocketLike> {
  const { fromPod, toPod, errors } = streams;
  try {
    const forward = new PortForward(config, true);
    return (await forward.portForward(
      pod.namespace,
      pod.name,
      [pod.port],
      fromPod,
      errors,
      toPod,
    )) as WebSocketLike;
  } catch (reason) {
    throw asTunnelError(reason, pod);
  }
}

// The WebSocket library reports only the status of a refused upgrade. The RBAC verb is get; Kubernetes 1.35
// and later also require create.
function asTunnelError(reason: unknown, pod: AggregatorPod): KubernetesError {
  const message = (reason as { message?: unknown } | null)?.message;
  const status = /Unexpected server response: (\d{3})/.exec(String(message))?.[1];
  const where = `pod ${pod.namespace}/${pod.name}`;
  if (status === undefined) {
    return new KubernetesError("unreachable", `cannot open a port-forward to ${where}: ${String(message)}`);
  }
  if (status === "403") {
    const sentence = `you may not port-forward to ${where}: it takes the verbs get and create on pods/portforward in namespace ${pod.namespace}`;
    return new KubernetesError("forbidden", sentence);
  }
  return errorOfStatus(Number(status), `the API server answered ${status} to a port-forward to ${where}`);
}
