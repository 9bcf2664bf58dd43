// Refuses a question about objects that neither the cluster nor whotalks knows. Objects that were deleted while
// whotalks still has their connections are known.

import { openFilter } from "../command/filter.ts";
import { FailureError } from "../command/errors.ts";
import { withEndpoints } from "../command/endpoint-words.ts";
import type { Settings } from "../command/settings.ts";
import type { Asker } from "../ask/ask.ts";
import type { KubernetesApi } from "../../lib/kubernetes/kubernetes-api.ts";
import { ClusterObjects, namedNamespace, type NamedObject, namedObjects } from "./cluster-objects.ts";

/** Milliseconds that looking may take: an API server that is slower is passed over. */
const LOOK_MS_MAX = 2000;

/** Throws FailureError, with the names that were probably meant, if an object that the settings name does not exist. */
export async function refuseMissing(
  settings: Pick<Settings, "filter" | "endpoints" | "source">,
  api: KubernetesApi,
  asker: Pick<Asker, "connections">,
  signal: AbortSignal,
): Promise<void> {
  const named = objectsOf(settings);
  if (named.length === 0) return;
  const objects = new ClusterObjects(api, AbortSignal.any([signal, AbortSignal.timeout(LOOK_MS_MAX)]));
  const missing: NamedObject[] = [];
  for (const object of await objects.missing(named)) {
    if (!(await isKnown(object, asker))) missing.push(object);
  }
  if (missing.length === 0 || signal.aborted) return;
  const sentences = await Promise.all(missing.map(async (object) => objects.missingSentence(object)));
  throw new FailureError([...new Set(sentences)].join(" "));
}

function objectsOf({
  filter,
  endpoints,
  source,
}: Pick<Settings, "filter" | "endpoints" | "source">): NamedObject[] {
  const { from, to, either, namespaces } = filter;
  // The context's namespace is kubectl's business.
  const typed = source.kind === "cluster" && !source.namespaced ? namespaces.map(namedNamespace) : [];
  const words = withEndpoints({ ...openFilter, namespaces }, endpoints).either;
  return [...typed, ...namedObjects([...words, ...from, ...to, ...either])];
}

// Whether whotalks has a connection with it.
async function isKnown({ filter }: NamedObject, asker: Pick<Asker, "connections">): Promise<boolean> {
  for await (const part of asker.connections({ filter: { ...openFilter, ...filter }, limit: 1 })) {
    if (part.part === "items" && part.items.length > 0) return true;
  }
  return false;
}
