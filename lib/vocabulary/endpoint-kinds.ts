// Kinds of endpoints.

import { findWord } from "./word-list.ts";

/** Every kind of endpoint in answers. */
export const endpointKinds = ["pod", "process", "node", "service", "external", "unknown"] as const;

/** One of endpointKinds. */
export type EndpointKind = (typeof endpointKinds)[number];

/** Returns the kind that a filter names; null if unknown. */
export function normalizeEndpointKind(text: string): EndpointKind | null {
  return findWord(endpointKinds, text);
}
