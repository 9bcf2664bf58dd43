// List documents: what `-o json` prints and `--from-file` reads. They are written in three steps – opening,
// one text per item, closing – so that a list of any length needs memory for only one item.

import type { Connection, Coverage, Edge, Listener } from "../gen/whotalks/v1/query.ts";
import { JsonShapeError, type Json, readObject, record, type Shape, time, writeObject } from "./codec.ts";
import { connectionShape, coverageShape, edgeShape, listenerShape } from "./messages.ts";

/** The version of every document's shape. */
const API_VERSION = "whotalks.dev/v1";

/** The items of each kind of list. */
export interface ListItems {
  ConnectionList: Connection;
  EdgeList: Edge;
  ListenerList: Listener;
}

/** A kind of list. */
export type ListKind = keyof ListItems;

/** The shape of each kind's items. */
export const itemShapes: { readonly [Kind in ListKind]: Shape<ListItems[Kind]> } = {
  ConnectionList: connectionShape,
  EdgeList: edgeShape,
  ListenerList: listenerShape,
};

/** A whole list, or coverage by itself, as read from a document. */
export type Document =
  | { readonly kind: "Coverage"; readonly timeMs: number; readonly coverage: Coverage }
  | { readonly [Kind in ListKind]: ListDocument<Kind> }[ListKind];

/** A whole list as read from a document. */
interface ListDocument<Kind extends ListKind> {
  readonly kind: Kind;
  /** When the answer was produced, in milliseconds since 1970; 0 if the document does not say. */
  readonly timeMs: number;
  readonly coverage: Coverage;
  readonly items: ReadonlyArray<ListItems[Kind]>;
  /** Whether it contains every item that matched the filter. */
  readonly complete: boolean;
  /** How many items matched the filter. */
  readonly matched: number;
}

/** The fields before a list's items: version, kind, time and coverage. */
export function listHead(kind: string, timeMs: number, coverage: Coverage): { [name: string]: Json } {
  const written = time.write(timeMs);
  return {
    apiVersion: API_VERSION,
    kind,
    ...(written === undefined ? {} : { time: written }),
    coverage: writeObject(coverageShape, coverage),
  };
}

/** Converts one item to JSON. */
export function itemJson<Kind extends ListKind>(kind: Kind, item: ListItems[Kind]): { [name: string]: Json } {
  return writeObject(itemShapes[kind], item);
}

// JSON.stringify does not escape DEL, the C1 controls and the characters that change the direction of text,
// some of which terminals obey. Within quotes, both JSON and YAML accept any character as an escape.
const unsafeInTerminals = /[\u007f-\u009f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff]/g;

/** Escapes, as \uXXXX, every character of quoted text that a terminal would obey. */
export function escapeQuoted(quoted: string): string {
  return quoted.replace(
    unsafeInTerminals,
    (character) => `\\u${character.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** Formats JSON on one line, safe to print on a terminal. */
export function jsonLine(json: Json): string {
  return escapeQuoted(JSON.stringify(json));
}

/** Parses a JSON document; throws JsonShapeError with what is wrong and where. */
export function parseDocument(source: string): Document {
  let json: unknown;
  try {
    json = JSON.parse(source);
  } catch (error) {
    throw new JsonShapeError(`it is no JSON: ${(error as Error).message}`);
  }
  const document = record(json, "");
  if (document["apiVersion"] !== API_VERSION) {
    throw new JsonShapeError(
      `apiVersion should be ${API_VERSION}, but is ${JSON.stringify(document["apiVersion"])}`,
    );
  }
  const timeMs = time.read(document["time"], "time");
  const coverage = readObject(coverageShape, document["coverage"] ?? {}, "coverage");
  const kind = document["kind"];
  switch (kind) {
    case "Coverage":
      return { kind, timeMs, coverage };
    case "ConnectionList":
      return { kind, timeMs, coverage, ...readItems(document, connectionShape) };
    case "EdgeList":
      return { kind, timeMs, coverage, ...readItems(document, edgeShape) };
    case "ListenerList":
      return { kind, timeMs, coverage, ...readItems(document, listenerShape) };
    default:
      throw new JsonShapeError(
        `kind should be ConnectionList, EdgeList, ListenerList or Coverage, but is ${JSON.stringify(kind)}`,
      );
  }
}

function readItems<Item>(
  document: { readonly [name: string]: unknown },
  of: Shape<Item>,
): { items: Item[]; complete: boolean; matched: number } {
  const list = document["items"];
  if (!Array.isArray(list)) throw new JsonShapeError("items should be a list");
  const items = list.map((item, index) => readObject(of, item, `items[${index}]`));
  const matched = document["matched"];
  return {
    items,
    complete: document["complete"] !== false,
    matched: typeof matched === "number" ? matched : items.length,
  };
}
