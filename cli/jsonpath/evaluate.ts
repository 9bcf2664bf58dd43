// Applies JSONPath templates and paths to JSON, as kubectl does: a field that is missing yields nothing, and
// several values are separated by spaces.

import type { Json } from "../../lib/json/codec.ts";
import { jsonLine } from "../../lib/json/list.ts";
import { escapeText } from "../text/escape-text.ts";
import { JsonPathMismatch, type Operator, type Path, type Step, type Template } from "./syntax.ts";

type Values = readonly Json[];
type FilterStep = Extract<Step, { step: "filter" }>;

/**
 * Fills in a template. Values are safe to print on a terminal; the template's own text stays as it is. Throws
 * JsonPathMismatch if the template does not fit the data.
 */
export function fillTemplate(template: Template, value: Json): string {
  let text = "";
  for (const part of template) {
    if (part.part === "text") text += part.text;
    else if (part.part === "path") text += pathText(part.path, value);
    else for (const item of valuesAt(part.path, value)) text += fillTemplate(part.body, item);
  }
  return text;
}

/** Returns the values that a path leads to. Throws JsonPathMismatch if the path does not fit the data. */
export function valuesAt(path: Path, value: Json): Values {
  let values: Values = [value];
  for (const step of path) values = take(step, values);
  return values;
}

/** Returns every value that a template's expressions lead to: what kubectl's jsonpath-as-json prints. */
export function templateValues(template: Template, value: Json): Values[] {
  return template.flatMap((part) => {
    if (part.part === "text") return [[part.text]];
    if (part.part === "path") return [valuesAt(part.path, value)];
    return valuesAt(part.path, value).flatMap((item) => templateValues(part.body, item));
  });
}

/** Formats one value: text as it is, and objects and lists as JSON. */
export function valueText(value: Json): string {
  if (typeof value === "object" && value !== null) return jsonLine(value);
  return typeof value === "string" ? escapeText(value) : String(value);
}

// A literal alone is the template's own text.
function pathText(path: Path, value: Json): string {
  const [only] = path;
  if (path.length === 1 && only?.step === "literal") return String(only.value);
  return valuesAt(path, value).map(valueText).join(" ");
}

function take(step: Step, values: Values): Values {
  switch (step.step) {
    case "field":
      return values.flatMap((value) => fieldOf(value, step.name));
    case "all":
      return values.flatMap(childrenOf);
    case "descend":
      return values.flatMap(descendants);
    case "index":
      return values.map((value) => itemAt(listOf(value), step.index));
    case "slice":
      return values.flatMap((value) => slice(listOf(value), step));
    case "union":
      return step.paths.flatMap((path) => values.flatMap((value) => valuesAt(path, value)));
    case "exists":
      return values.flatMap((value) => listOf(value).filter((item) => valuesAt(step.path, item).length > 0));
    case "filter":
      return values.flatMap((value) => listOf(value).filter((item) => passes(step, item)));
    case "literal":
      return [step.value];
  }
}

function fieldOf(value: Json, name: string): Values {
  if (!isObject(value) || !Object.hasOwn(value, name)) return [];
  return [value[name]!];
}

function childrenOf(value: Json): Values {
  if (Array.isArray(value)) return value as Values;
  return isObject(value) ? Object.values(value) : [];
}

// Everything that has something in it, from the outside to the inside.
function descendants(value: Json): Values {
  const children = childrenOf(value);
  return children.length === 0 ? [] : [value, ...children.flatMap(descendants)];
}

function itemAt(list: Values, index: number): Json {
  const item = list.at(index);
  if (item === undefined)
    throw new JsonPathMismatch(`JSONPath: [${index}] is out of bounds: the list has ${list.length} items.`);
  return item;
}

function slice(list: Values, { from, to, by }: Extract<Step, { step: "slice" }>): Values {
  const placed = (place: number | null, standard: number): number =>
    place === null ? standard : place < 0 ? place + list.length : place;
  const begin = placed(from, 0);
  const end = placed(to, list.length);
  if (begin === end) return [];
  if (begin < 0 || end < 0 || begin >= list.length || end > list.length || begin > end) {
    const typed = `${from ?? ""}:${to ?? ""}`;
    throw new JsonPathMismatch(`JSONPath: [${typed}] is out of bounds: the list has ${list.length} items.`);
  }
  return list.slice(begin, end).filter((_, place) => place % (by ?? 1) === 0);
}

function passes({ left, operator, right }: FilterStep, item: Json): boolean {
  const lefts = valuesAt(left, item);
  const rights = valuesAt(right, item);
  if (lefts.length === 0 || rights.length === 0) return false;
  if (lefts.length > 1 || rights.length > 1)
    throw new JsonPathMismatch("JSONPath: a filter can only compare one value with one value.");
  return compare(lefts[0]!, operator, rights[0]!);
}

function compare(left: Json, operator: Operator, right: Json): boolean {
  if (operator === "=~") return matches(left, right);
  const ordered =
    (typeof left === "number" && typeof right === "number") ||
    (typeof left === "string" && typeof right === "string");
  const equatable = ordered || (typeof left === "boolean" && typeof right === "boolean");
  if (operator === "==" && equatable) return left === right;
  if (operator === "!=" && equatable) return left !== right;
  if (!ordered || operator === "==" || operator === "!=") {
    throw new JsonPathMismatch(
      `JSONPath: ${valueJson(left)} cannot be compared with ${valueJson(right)} by ${operator}.`,
    );
  }
  if (operator === "<") return left < right;
  if (operator === "<=") return left <= right;
  return operator === ">" ? left > right : left >= right;
}

function matches(left: Json, right: Json): boolean {
  if (typeof left !== "string" || typeof right !== "string")
    throw new JsonPathMismatch(`JSONPath: =~ takes texts, not ${valueJson(left)} and ${valueJson(right)}.`);
  try {
    return new RegExp(right, "u").test(left);
  } catch {
    throw new JsonPathMismatch(`JSONPath: ${valueJson(right)} is no regular expression.`);
  }
}

function valueJson(value: Json): string {
  return jsonLine(value);
}

function listOf(value: Json): Values {
  if (Array.isArray(value)) return value as Values;
  throw new JsonPathMismatch(`JSONPath: ${isObject(value) ? "an object" : valueJson(value)} is no list.`);
}

function isObject(value: Json): value is { readonly [name: string]: Json } {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
