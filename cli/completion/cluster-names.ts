// The names in a cluster that a shell completes. What cannot be read in time is left out in silence: a message
// would be in the middle of the user's line.

import { contextNamespace, loadKubeConfig } from "../../lib/kubernetes/kube-config.ts";
import { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { ClusterObjects, namedObjects } from "../cluster/cluster-objects.ts";
import type { TypedWords } from "../command/arrange-words.ts";
import type { ClusterChoice } from "../command/cluster-choice.ts";
import { parseSelector } from "../command/selectors.ts";

/** Names of a cluster, and of the kubeconfig. */
export interface ClusterNames {
  readonly contexts: readonly string[];
  /** The names of a kind, in a namespace; null for the one that the command line chooses. */
  objects(kindWord: string, namespace: string | null): Promise<readonly string[]>;
}

/** Opens the names of the cluster that a command line chooses. */
export function openClusterNames(
  { values, flags }: TypedWords,
  environment: ClusterChoice["environment"],
  signal: AbortSignal,
): ClusterNames {
  const config = loadKubeConfig({
    kubeconfig: values.get("--kubeconfig"),
    context: values.get("--context"),
    environment,
  });
  const objects = new ClusterObjects(new KubernetesApi(config), signal);
  const everywhere = flags.includes("-A") || flags.includes("--all-namespaces");
  const chosen = everywhere ? "" : (values.get("--namespace") ?? contextNamespace(config));
  return {
    contexts: config.getContexts().map(({ name }) => name),
    objects: async (kindWord, namespace) => {
      const [object] = namedObjects([parseSelector(`${kindWord}/x`, false)]);
      if (object === undefined) return [];
      return [...new Set(await objects.names(object.kind, namespace ?? chosen))].toSorted();
    },
  };
}
