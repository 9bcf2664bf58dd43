// --from-file: reads a document that -o json printed, as the answer it was printed from.

import { readFile } from "node:fs/promises";
import { text } from "node:stream/consumers";
import { JsonShapeError } from "../../lib/json/codec.ts";
import { type Document, parseDocument } from "../../lib/json/list.ts";
import type { AnswerPart } from "./answer.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { FailureError } from "../command/errors.ts";
import type { View } from "../views/view.ts";

// The command that shows each kind of document.
const commands = {
  EdgeList: "edges",
  ConnectionList: "connections",
  ListenerList: "listeners",
  Coverage: "coverage",
};

/** Reads the file ("-" for standard input) as an answer of the view; limit 0 keeps all items. */
export async function* readListFile<Item>(
  path: string,
  view: View<Item>,
  limit: number,
): AsyncGenerator<AnswerPart<Item>> {
  const name = path === "-" ? "Standard input" : path;
  const document = parse(await readText(path), name);
  if (document.kind !== view.kind) {
    throw new UsageError(
      `${name} is of kind ${document.kind}, not ${view.kind}: show it with '${commands[document.kind]}'.`,
    );
  }
  const all: readonly unknown[] = document.kind === "Coverage" ? document.coverage.nodes : document.items;
  const kept = limit === 0 ? all : all.slice(0, limit);
  yield { part: "head", timeMs: document.timeMs, coverage: document.coverage };
  // The view's items have the document's kind.
  yield { part: "items", items: kept as readonly Item[] };
  const complete = kept.length === all.length && (document.kind === "Coverage" || document.complete);
  yield { part: "end", complete, matched: document.kind === "Coverage" ? all.length : document.matched };
}

async function readText(path: string): Promise<string> {
  try {
    return path === "-" ? await text(process.stdin) : await readFile(path, "utf8");
  } catch (error) {
    throw new FailureError(`Cannot read ${path}: ${(error as Error).message}`);
  }
}

function parse(source: string, name: string): Document {
  try {
    return parseDocument(source);
  } catch (error) {
    if (error instanceof JsonShapeError) throw new FailureError(`${name} cannot be read: ${error.message}.`);
    throw error;
  }
}
