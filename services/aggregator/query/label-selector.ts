// kubectl's label selectors: a=b, a==b, a!=b, a in (b,c), a notin (b,c), a, !a; joined by commas, all must
// hold. https://kubernetes.io/docs/concepts/overview/working-with-objects/labels/#label-selectors

import { FilterError } from "./filter-error.ts";

/** Whether labels match. */
export type LabelTest = (labels: Readonly<Record<string, string>>) => boolean;

const KEY = String.raw`[A-Za-z0-9](?:[A-Za-z0-9._/-]*[A-Za-z0-9])?`;
const VALUE = String.raw`(?:[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?)?`;
const equality = new RegExp(`^(${KEY})\\s*(=|==|!=)\\s*(${VALUE})$`);
const membership = new RegExp(String.raw`^(${KEY})\s+(in|notin)\s*\(([^()]*)\)$`);
const existence = new RegExp(`^(!?)\\s*(${KEY})$`);
const wholeValue = new RegExp(`^${VALUE}$`);

/** Parses a selector; an empty one matches everything. Throws FilterError if it is malformed. */
export function parseLabelSelector(text: string): LabelTest {
  const tests = splitRequirements(text).map(parseRequirement);
  return (labels) => tests.every((test) => test(labels));
}

// Commas within parentheses belong to a list of values.
function splitRequirements(text: string): string[] {
  if (text.trim() === "") return [];
  return text.split(/,(?![^(]*\))/).map((part) => part.trim());
}

function parseRequirement(text: string): LabelTest {
  const equal = equality.exec(text);
  if (equal !== null) {
    const [, key = "", operator = "", value = ""] = equal;
    return operator === "!=" ? (labels) => labels[key] !== value : (labels) => labels[key] === value;
  }
  const member = membership.exec(text);
  if (member !== null) {
    const [, key = "", operator = "", list = ""] = member;
    const values = list.split(",").map((value) => value.trim());
    if (!values.every((value) => wholeValue.test(value))) throw unreadable(text);
    const isIn = (labels: Readonly<Record<string, string>>): boolean => {
      const value = labels[key];
      return value !== undefined && values.includes(value);
    };
    return operator === "in" ? isIn : (labels) => !isIn(labels);
  }
  const exists = existence.exec(text);
  if (exists === null) throw unreadable(text);
  const [, not = "", key = ""] = exists;
  return not === "" ? (labels) => key in labels : (labels) => !(key in labels);
}

function unreadable(text: string): FilterError {
  return new FilterError(
    `"${text}" is no label requirement: write key=value, key!=value, key in (a,b), key or !key`,
  );
}
