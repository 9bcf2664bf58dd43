// The output formats, and the templates that two of them take.

import { didYouMean } from "../../lib/program/suggest.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { parseRelaxedPath, splitOutsideQuotes } from "../jsonpath/parse-path.ts";
import { parseTemplate } from "../jsonpath/parse-template.ts";
import { JsonPathSyntaxError, type Path, type Template } from "../jsonpath/syntax.ts";

/** The formats of -o that are one word. */
const plainFormats = ["table", "wide", "json", "ndjson", "yaml", "csv", "name", "dot", "mermaid"] as const;

type PlainFormat = (typeof plainFormats)[number];

/** A column of -o custom-columns. */
export interface CustomColumn {
  readonly header: string;
  readonly path: Path;
}

/** A format that is a table. */
export type TableFormat =
  | { readonly name: "table" | "wide" }
  | { readonly name: "custom-columns"; readonly columns: readonly CustomColumn[] };

/** A format that is written item by item. */
export type DocumentFormat =
  | { readonly name: Exclude<PlainFormat, "table" | "wide"> }
  | { readonly name: "jsonpath" | "jsonpath-as-json"; readonly template: Template };

/** A format of -o, with its template if it has one. */
export type Format = TableFormat | DocumentFormat;

/** What rows are sorted by: a column's key, or a field of the items' JSON. */
export type Sort = { readonly column: string } | { readonly path: Path; readonly typed: string };

/** The formats as help shows them. */
export const formatForms: readonly string[] = [
  ...plainFormats,
  "jsonpath=…",
  "jsonpath-as-json=…",
  "custom-columns=…",
];

const templateFormats = ["jsonpath", "jsonpath-as-json", "custom-columns"] as const;

/** Whether a format is a table, which can be refreshed live. */
export function isTable(format: Format): format is TableFormat {
  return format.name === "table" || format.name === "wide" || format.name === "custom-columns";
}

/** Parses the value of -o. Throws UsageError. */
export function parseFormat(text: string): Format {
  const [word = ""] = text.split("=", 1);
  const argument = text.slice(word.length + 1);
  const folded = word.trim().toLowerCase();
  const plain = plainFormats.find((name) => name === folded);
  if (plain !== undefined && text === word) return { name: plain };
  const name = templateFormats.find((candidate) => candidate === folded);
  if (name === undefined) {
    const hint = didYouMean(word, [...plainFormats, ...templateFormats]);
    throw new UsageError(`-o takes one of ${formatForms.join(", ")}, not '${text}'.`, hint);
  }
  const example = name === "custom-columns" ? "CLIENT:.client.pod,PORT:.port" : "'{.items[*].port}'";
  if (argument === "") throw new UsageError(`-o ${name} takes a template: ${name}=${example}.`);
  return withSentence<Format>(`-o ${name}`, () =>
    name === "custom-columns"
      ? { name, columns: parseColumns(argument) }
      : { name, template: parseTemplate(argument) },
  );
}

/** Parses the path of --sort-by. Throws UsageError. */
export function parseSortPath(text: string): Path {
  return withSentence("--sort-by", () => parseRelaxedPath(text));
}

function parseColumns(text: string): CustomColumn[] {
  return splitOutsideQuotes(text, ",").map((column) => {
    const colon = column.indexOf(":");
    if (colon <= 0 || colon === column.length - 1)
      throw new JsonPathSyntaxError(`'${column}' is no column: write HEADER:.path`);
    return { header: column.slice(0, colon).trim(), path: parseRelaxedPath(column.slice(colon + 1).trim()) };
  });
}

function withSentence<Value>(flag: string, parse: () => Value): Value {
  try {
    return parse();
  } catch (error) {
    if (error instanceof JsonPathSyntaxError)
      throw new UsageError(`${flag} cannot be read: ${error.message}.`);
    throw error;
  }
}
