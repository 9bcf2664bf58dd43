// The formats beside tables. Each writes an answer as a stream, holding one batch at a time; only jsonpath needs
// the whole list.

import type { Json } from "../../lib/json/codec.ts";
import { escapeQuoted, jsonLine, listHead } from "../../lib/json/list.ts";
import type { AnswerEnd, AnswerHead } from "../ask/answer.ts";
import type { DocumentFormat } from "../command/formats.ts";
import { fillTemplate, templateValues } from "../jsonpath/evaluate.ts";
import { escapeText } from "../text/escape-text.ts";
import type { View } from "../views/view.ts";
import { dotWriter, mermaidWriter } from "./graph.ts";

/** Writes an answer part by part; each step returns the text to print. */
export interface DocumentWriter<Item> {
  open(head: AnswerHead): string;
  item(item: Item): string;
  close(end: AnswerEnd): string;
}

/** Returns the writer of a format for a view. Loads the YAML library only if needed. */
export async function documentWriter<Item>(
  format: DocumentFormat,
  view: View<Item>,
  headers: boolean,
): Promise<DocumentWriter<Item>> {
  if (format.name === "json") return view.kind === "Coverage" ? coverageJson() : listJson(view);
  if (format.name === "ndjson") return itemWriter((item) => `${jsonLine(view.json(item))}\n`);
  if (format.name === "yaml") {
    const write = await yamlText();
    return view.kind === "Coverage" ? coverageYaml(write) : listYaml(view, write);
  }
  if (format.name === "csv") {
    return {
      open: () => (headers ? csvLine(view.csv) : ""),
      item: (item) => csvLine(csvCells(view.csv, view.json(item))),
      close: () => "",
    };
  }
  if (format.name === "jsonpath") return wholeList(view, (list) => fillTemplate(format.template, list));
  if (format.name === "jsonpath-as-json")
    return wholeList(view, (list) => templateValues(format.template, list).map(indented).join(""));
  // The settings allow them for edges only.
  if (format.name === "dot") return dotWriter() as DocumentWriter<unknown>;
  if (format.name === "mermaid") return mermaidWriter() as DocumentWriter<unknown>;
  return itemWriter((item) => `${view.reference(item)}\n`);
}

function itemWriter<Item>(write: (item: Item) => string): DocumentWriter<Item> {
  return { open: () => "", item: write, close: () => "" };
}

// The list as -o json prints it.
function wholeList<Item>(view: View<Item>, write: (list: Json) => string): DocumentWriter<Item> {
  let head: { readonly [name: string]: Json } = {};
  const items: Json[] = [];
  return {
    open: (opening) => {
      head = listHead(view.kind, opening.timeMs, opening.coverage);
      return "";
    },
    item: (item) => {
      if (view.kind !== "Coverage") items.push(view.json(item));
      return "";
    },
    close: ({ complete, matched }) =>
      write(view.kind === "Coverage" ? head : { ...head, items, complete, matched }),
  };
}

function indented(json: Json): string {
  return `${escapeQuoted(JSON.stringify(json, null, 4))}\n`;
}

// One line per item, so that a list of a hundred thousand can be searched with grep and read with a pager.
function listJson<Item>(view: View<Item>): DocumentWriter<Item> {
  let separator = "\n    ";
  return {
    open: (head) => {
      const fields = Object.entries(listHead(view.kind, head.timeMs, head.coverage));
      return `{\n${fields.map(([name, value]) => `  "${name}": ${jsonLine(value)},\n`).join("")}  "items": [`;
    },
    item: (item) => {
      const line = separator + jsonLine(view.json(item));
      separator = ",\n    ";
      return line;
    },
    close: (end) =>
      `${separator.startsWith(",") ? "\n  " : ""}],\n  "complete": ${end.complete},\n  "matched": ${end.matched}\n}\n`,
  };
}

function listYaml<Item>(view: View<Item>, write: (json: Json) => string): DocumentWriter<Item> {
  let empty = true;
  return {
    open: (head) => write(listHead(view.kind, head.timeMs, head.coverage)),
    item: (item) => {
      const opening = empty ? "items:\n" : "";
      empty = false;
      // YAML allows a sequence at its key's own indentation.
      return opening + write([view.json(item)]);
    },
    close: (end) => `${empty ? "items: []\n" : ""}${write({ complete: end.complete, matched: end.matched })}`,
  };
}

// The items of coverage are its nodes, which its head already contains.
function coverageJson<Item>(): DocumentWriter<Item> {
  return {
    open: (head) => {
      const fields = Object.entries(listHead("Coverage", head.timeMs, head.coverage));
      return `{\n${fields.map(([name, value]) => `  "${name}": ${jsonLine(value)}`).join(",\n")}\n}\n`;
    },
    item: () => "",
    close: () => "",
  };
}

function coverageYaml<Item>(write: (json: Json) => string): DocumentWriter<Item> {
  return {
    open: (head) => write(listHead("Coverage", head.timeMs, head.coverage)),
    item: () => "",
    close: () => "",
  };
}

/**
 * Loads the YAML library and returns a function that writes a value as YAML that is safe to print on a
 * terminal.
 */
export async function yamlText(): Promise<(json: Json) => string> {
  const { stringify } = await import("yaml");
  return (json) => {
    const text = stringify(json, { lineWidth: 0 });
    if (escapeQuoted(text) === text) return text;
    // YAML supports escapes only in quoted text.
    const quotes = {
      lineWidth: 0,
      defaultStringType: "QUOTE_DOUBLE",
      defaultKeyType: "QUOTE_DOUBLE",
    } as const;
    return escapeQuoted(stringify(json, quotes));
  };
}

/**
 * Returns a line of CSV (RFC 4180, but with LF line ends for Unix tools). Controls are escaped as in tables.
 */
export function csvLine(cells: readonly string[]): string {
  return `${cells.map(csvCell).join(",")}\n`;
}

/** Returns the values at the given paths of an item's JSON; empty if absent. */
export function csvCells(paths: readonly string[], json: Json): string[] {
  return paths.map((path) => csvText(path.split(".").reduce<Json | undefined>(fieldOf, json)));
}

function fieldOf(json: Json | undefined, name: string): Json | undefined {
  if (typeof json !== "object" || json === null || Array.isArray(json)) return undefined;
  return (json as { readonly [name: string]: Json })[name];
}

function csvText(json: Json | undefined): string {
  if (json === undefined || json === null) return "";
  if (Array.isArray(json)) return json.map(csvText).join(" ");
  return typeof json === "object" ? JSON.stringify(json) : String(json);
}

function csvCell(cell: string): string {
  const escaped = escapeText(cell);
  return /[",]|^\s|\s$/.test(escaped) ? `"${escaped.replaceAll('"', '""')}"` : escaped;
}
