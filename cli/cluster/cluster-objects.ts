// Asks the API server whether the objects that the user named exist, since an empty answer about a misspelt name
// is a wrong answer. What the user may not read, and an API server that does not answer, are passed over.

import { nearest } from "../../lib/program/suggest.ts";
import type { EndpointSelector, Filter } from "../../lib/gen/whotalks/v1/query.ts";
import type { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { KubernetesError } from "../../lib/kubernetes/kubernetes-error.ts";

/** Names read at most to find the one that was meant. */
const NAMES_MAX = 5000;
/** Sends names and labels only. */
const METADATA = "application/json;as=PartialObjectMetadata;g=meta.k8s.io;v=v1,application/json";
const METADATA_LIST = "application/json;as=PartialObjectMetadataList;g=meta.k8s.io;v=v1,application/json";

interface Resource {
  readonly one: string;
  /** As endpoints are written: deploy/web. */
  readonly short: string;
  /** The group's path and the plural name. */
  readonly group: string;
  readonly plural: string;
  readonly namespaced: boolean;
}

const resource = (one: string, short: string, group: string, namespaced = true): Resource => ({
  one,
  short,
  group,
  plural: `${one}s`,
  namespaced,
});

const resources = {
  Deployment: resource("deployment", "deploy", "/apis/apps/v1"),
  StatefulSet: resource("statefulset", "sts", "/apis/apps/v1"),
  DaemonSet: resource("daemonset", "ds", "/apis/apps/v1"),
  Service: resource("service", "svc", "/api/v1"),
  CronJob: resource("cronjob", "cj", "/apis/batch/v1"),
  Job: resource("job", "job", "/apis/batch/v1"),
  ReplicaSet: resource("replicaset", "rs", "/apis/apps/v1"),
  Pod: resource("pod", "pod", "/api/v1"),
  Node: resource("node", "node", "/api/v1", false),
  Namespace: resource("namespace", "ns", "/api/v1", false),
} as const satisfies Readonly<Record<string, Resource>>;

/** A kind of object that endpoints can be. */
type ObjectKind = keyof typeof resources;

/** An object that the user named. */
export interface NamedObject {
  readonly kind: ObjectKind;
  /** Empty for any namespace, and for kinds without one. */
  readonly namespace: string;
  readonly name: string;
  /** The filter that finds connections with it. */
  readonly filter: Pick<Filter, "either" | "namespaces">;
}

/** Returns the objects that endpoints name; addresses, processes and the like are none. */
export function namedObjects(endpoints: readonly EndpointSelector[]): NamedObject[] {
  return endpoints.flatMap((endpoint) => {
    const { pod, workload, service, namespace, node } = endpoint;
    const filter = { either: [endpoint], namespaces: [] };
    if (pod !== undefined) return [{ kind: "Pod" as const, ...pod, filter }];
    if (service !== undefined) return [{ kind: "Service" as const, ...service, filter }];
    if (workload !== undefined) {
      const kind = (Object.keys(resources) as ObjectKind[]).find((known) => known === workload.kind);
      return kind === undefined ? [] : [{ kind, namespace: workload.namespace, name: workload.name, filter }];
    }
    if (node !== undefined) return [{ kind: "Node" as const, namespace: "", name: node, filter }];
    return namespace === undefined ? [] : [namedNamespace(namespace)];
  });
}

/** Returns the object for a namespace by its name. */
export function namedNamespace(name: string): NamedObject {
  return { kind: "Namespace", namespace: "", name, filter: { either: [], namespaces: [name] } };
}

/** The objects of a cluster. Requests end when the signal is aborted. */
export class ClusterObjects {
  readonly #api: KubernetesApi;
  readonly #signal: AbortSignal;

  constructor(api: KubernetesApi, signal: AbortSignal) {
    this.#api = api;
    this.#signal = signal;
  }

  /** Returns the objects that certainly do not exist. */
  async missing(objects: readonly NamedObject[]): Promise<NamedObject[]> {
    const exist = await Promise.all(objects.map(async (object) => this.#exists(object)));
    return objects.filter((_, place) => exist[place] === false);
  }

  /** Returns a sentence about an object that does not exist, with the one that was probably meant. */
  async missingSentence({ kind, namespace, name, filter }: NamedObject): Promise<string> {
    const inNamespace = namedNamespace(namespace);
    if (namespace !== "" && (await this.#exists(inNamespace)) === false)
      return this.missingSentence(inNamespace);
    const { one, namespaced } = resources[kind];
    const where = namespace === "" ? " in any namespace" : ` in namespace ${namespace}`;
    const meant = await this.#meant({ kind, namespace, name, filter });
    const hint = meant === null ? "" : `; did you mean ${meant}?`;
    return `no ${one} ${name}${namespaced ? where : ""}${hint === "" ? "." : hint}`;
  }

  /** Returns the names of a kind, in a namespace or in all; none where they cannot be read. */
  async names(kind: ObjectKind, namespace: string): Promise<string[]> {
    return (await this.#list(kind, namespace, {})).map((object) => object.name);
  }

  // Undefined if that cannot be known.
  async #exists({ kind, namespace, name }: NamedObject): Promise<boolean | undefined> {
    const everywhere = resources[kind].namespaced && namespace === "";
    try {
      if (everywhere) {
        const found = await this.#listOrFail(kind, "", {
          fieldSelector: `metadata.name=${name}`,
          limit: "1",
        });
        return found.length > 0;
      }
      const path = `${listPath(kind, namespace)}/${encodeURIComponent(name)}`;
      await this.#api.getJson(path, {}, { accept: METADATA, signal: this.#signal });
      return true;
    } catch (error) {
      return error instanceof KubernetesError && error.code === "not-found" ? false : undefined;
    }
  }

  // A similar name of the same kind, the same name in another namespace, or the same name of another kind.
  async #meant({ kind, namespace, name }: NamedObject): Promise<string | null> {
    const similar = nearest(name, await this.names(kind, namespace));
    if (similar !== null) return similar;
    const { short, namespaced } = resources[kind];
    if (!namespaced) return null;
    const sameName = { fieldSelector: `metadata.name=${name}`, limit: "1" };
    if (namespace !== "") {
      const [elsewhere] = await this.#list(kind, "", sameName);
      if (elsewhere !== undefined) return `${elsewhere.namespace}/${short}/${name}`;
    }
    const kinds = (Object.keys(resources) as ObjectKind[]).filter(
      (other) => other !== kind && resources[other].namespaced,
    );
    const found = await Promise.all(kinds.map(async (other) => this.#list(other, namespace, sameName)));
    const other = kinds.find((_, place) => found[place]!.length > 0);
    return other === undefined ? null : `${resources[other].short}/${name}`;
  }

  async #list(
    kind: ObjectKind,
    namespace: string,
    query: Readonly<Record<string, string>>,
  ): Promise<readonly ObjectName[]> {
    return this.#listOrFail(kind, namespace, query).catch(() => []);
  }

  async #listOrFail(
    kind: ObjectKind,
    namespace: string,
    query: Readonly<Record<string, string>>,
  ): Promise<readonly ObjectName[]> {
    const list = (await this.#api.getJson(
      listPath(kind, namespace),
      { limit: String(NAMES_MAX), ...query },
      { accept: METADATA_LIST, signal: this.#signal },
    )) as { items?: readonly { metadata?: Partial<ObjectName> }[] };
    return (list.items ?? []).map(({ metadata = {} }) => ({
      name: metadata.name ?? "",
      namespace: metadata.namespace ?? "",
    }));
  }
}

interface ObjectName {
  readonly name: string;
  readonly namespace: string;
}

function listPath(kind: ObjectKind, namespace: string): string {
  const { group, plural, namespaced } = resources[kind];
  const scope = namespaced && namespace !== "" ? `/namespaces/${encodeURIComponent(namespace)}` : "";
  return `${group}${scope}/${plural}`;
}
