// Kinds of endpoints.

import { findWord } from "./word-list.ts";

/** Every kind of endpoint that answers have. */
export const endpointKinds = ["pod", "process", "node", "service", "external", "unknown"] as const;

/** One of endpointKinds. */
export type EndpointKind = (typeof endpointKinds)[number];

/** The kind that a filter names; null if it is none. */
export function normalizeEndpointKind(text: string): EndpointKind | null {
  return findWord(endpointKinds, text);
}
