// Endpoints as words of a command line, as kubectl takes names: `deploy/web`, `pod web-1 web-2`,
// `shop/svc/db`. They select whoever talks with them, either way.

import type { EndpointSelector, Filter } from "../../lib/gen/whotalks/v1/query.ts";
import { parseRange } from "../../lib/address.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { isKindWord, isKindlessWord, parseSelector } from "./selectors.ts";

/** Whether a word can only be meant as an endpoint: it has a kind, or is an address or a path. */
export function looksLikeEndpoint(word: string): boolean {
  return /[/:@]/.test(word) || isKindWord(word) || isKindlessWord(word) || parseRange(word) !== null;
}

/**
 * Parses words as endpoints. A kind as a word of its own takes the names after it. If bareIsProcess is set, any
 * other word is the name of a process.
 */
export function parseEndpointWords(words: readonly string[], bareIsProcess: boolean): EndpointSelector[] {
  const texts = words.flatMap((word) => word.split(",")).map((text) => text.trim());
  if (texts.includes("")) throw new UsageError("an endpoint is empty.");
  const endpoints: EndpointSelector[] = [];
  let kind: string | null = null;
  let named = true;
  for (const text of texts) {
    if (isKindWord(text)) {
      if (!named) break;
      kind = text;
      named = false;
    } else if (kind !== null && !looksLikeEndpoint(text)) {
      endpoints.push(parseSelector(`${kind}/${text}`, bareIsProcess));
      named = true;
    } else if (named) {
      kind = null;
      endpoints.push(parseSelector(text, bareIsProcess));
    }
  }
  if (!named) throw new UsageError(`'${kind}' has no name: write ${kind}/NAME.`);
  return endpoints;
}

/**
 * Adds endpoints to a filter: either end is one of them. Those of a Kubernetes kind are in the filter's
 * namespace, as kubectl's are. If all are, who talks with them may be in any namespace.
 */
export function withEndpoints(filter: Filter, endpoints: readonly EndpointSelector[]): Filter {
  if (endpoints.length === 0) return filter;
  const [namespace = ""] = filter.namespaces;
  const placed = endpoints.map((endpoint) => inNamespace(endpoint, namespace));
  const allPlaced = filter.either.length === 0 && placed.every((endpoint) => namespaceOf(endpoint) !== null);
  return {
    ...filter,
    either: [...filter.either, ...placed],
    namespaces: allPlaced ? [] : filter.namespaces,
  };
}

function inNamespace(endpoint: EndpointSelector, namespace: string): EndpointSelector {
  if (namespaceOf(endpoint) !== "") return endpoint;
  const { pod, workload, service } = endpoint;
  if (pod !== undefined) return { pod: { ...pod, namespace } };
  if (workload !== undefined) return { workload: { ...workload, namespace } };
  return service === undefined ? endpoint : { service: { ...service, namespace } };
}

// The namespace of an endpoint: empty if any is meant, null if its kind has none.
function namespaceOf({ pod, workload, service }: EndpointSelector): string | null {
  return (pod ?? workload ?? service)?.namespace ?? null;
}
