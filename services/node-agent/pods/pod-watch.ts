// Watches only the pods of this node at the API server. If the API server is unavailable the agent continues
// without it, and reports how old its data are.

import type { Log } from "../../../lib/program/log.ts";
import { LogThrottle } from "../../../lib/program/log.ts";
import type { KubernetesApi } from "../../../lib/kubernetes/kubernetes-api.ts";
import type { KubernetesError } from "../../../lib/kubernetes/kubernetes-error.ts";
import { ListWatch, type ListWatchState } from "../../../lib/kubernetes/list-watch.ts";
import { PODS_MAX, type PodTable } from "./pod-table.ts";

/** A running watch of one node's pods. */
export class PodWatch {
  readonly #watch: ListWatch;
  #trouble: string | null = null;

  constructor(api: KubernetesApi, node: string, pods: PodTable, log: Log) {
    const throttle = new LogThrottle(() => performance.now());
    const resource = {
      name: "pods",
      path: "/api/v1/pods",
      metadataOnly: false,
      objectsMax: PODS_MAX,
      fieldSelector: `spec.nodeName=${node}`,
    };
    this.#watch = new ListWatch(api, resource, {
      put: (object) => pods.put(object),
      remove: (uid) => pods.remove(uid),
      listed: () => log.info({ pods: pods.size }, "listed the pods of this node"),
      failed: (verb, error) => {
        this.#trouble = sentenceOf(verb, error);
        if (throttle.allows(`${verb} ${error.code}`)) log.warn({ verb, code: error.code }, this.#trouble);
      },
      recovered: () => {
        this.#trouble = null;
        throttle.clear();
        log.info({}, "watches the pods of this node again");
      },
    });
  }

  /** State of the watch; `ageMs` is the age of the data. */
  get state(): ListWatchState {
    return this.#watch.state;
  }

  /** Resolves once the pods are known, or once the API server has refused the request. */
  get settled(): Promise<void> {
    return this.#watch.settled;
  }

  /** What prevents knowing the pods, as sentences; empty if nothing does. */
  limits(): string[] {
    if (this.#trouble === null) return [];
    const age = Math.round(this.#watch.state.ageMs / 1000);
    const known = this.#watch.state.lists === 0 ? "no pods are known" : `pods are known as of ${age} s ago`;
    return [`${this.#trouble}; ${known}`];
  }

  async stop(): Promise<void> {
    await this.#watch.stop();
  }
}

function sentenceOf(verb: "list" | "watch", error: KubernetesError): string {
  if (error.code === "forbidden") {
    return `the API server does not allow this agent to ${verb} pods: its ClusterRole needs the verb "${verb}" on the resource "pods" (${error.message})`;
  }
  if (error.code === "unauthorized") return `the API server rejected this agent's token: ${error.message}`;
  return `cannot ${verb} pods: ${error.message}`;
}
