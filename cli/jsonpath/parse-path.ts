// Reads the paths in a JSONPath template: `.items[?(@.port==80)].client.name`. In names a backslash keeps the
// character after it, as in `.labels.app\.kubernetes\.io/name`.

import { JsonPathSyntaxError, type Operator, operators, type Path, type Step } from "./syntax.ts";

/** Nested brackets and filters of a path at most. */
const DEPTH_MAX = 20;

const slicePattern = /^(-?\d+)?(?::(-?\d+)?)?(?::(-?\d+)?)?$/;
const escapes: Readonly<Record<string, string>> = { n: "\n", t: "\t", r: "\r", "0": "\0" };

/** Parses a path. Throws JsonPathSyntaxError. */
export function parsePath(text: string): Path {
  return new PathReader(text, 0).read();
}

/**
 * Parses a path as kubectl takes it for columns and for sorting: `{.a.b}`, `.a.b` or `a.b`. Throws
 * JsonPathSyntaxError.
 */
export function parseRelaxedPath(text: string): Path {
  const inner = /^\{(.*)\}$/s.exec(text)?.[1] ?? text;
  if (inner.trim() === "" || /[{}]/.test(inner)) throw new JsonPathSyntaxError(`'${text}' is no path`);
  return parsePath(/^[.[@$]/.test(inner) ? inner : `.${inner}`);
}

/** Returns the place after a quoted text that begins at a place; null if it has no end. */
export function endOfQuoted(text: string, place: number): number | null {
  const quote = text[place];
  for (let end = place + 1; end < text.length; end++) {
    if (text[end] === "\\") end++;
    else if (text[end] === quote) return end + 1;
  }
  return null;
}

class PathReader {
  readonly #text: string;
  readonly #depth: number;
  readonly #steps: Step[] = [];
  #place = 0;

  constructor(text: string, depth: number) {
    if (depth > DEPTH_MAX) throw new JsonPathSyntaxError("its brackets are nested too deeply");
    this.#text = text;
    this.#depth = depth;
  }

  read(): Path {
    while (this.#place < this.#text.length) this.#next();
    return this.#steps;
  }

  #next(): void {
    const rest = this.#text.slice(this.#place);
    const first = rest[0]!;
    if (/^[\s@$]/.test(rest)) this.#place++;
    else if (rest.startsWith("[?(")) this.#filter();
    else if (first === "[") this.#brackets();
    else if (rest.startsWith("..")) this.#descent();
    else if (first === ".") {
      this.#place++;
      this.#field();
    } else if (first === '"' || first === "'") this.#quoted();
    else if (/^[-+\d]/.test(rest)) this.#number(rest);
    else this.#word(rest);
  }

  #descent(): void {
    if (this.#steps.at(-1)?.step === "descend") throw new JsonPathSyntaxError("'..' follows '..'");
    this.#steps.push({ step: "descend" });
    this.#place += 2;
    if (/^[\p{L}\p{N}_*]/u.test(this.#text.slice(this.#place))) this.#field();
  }

  // A dot alone is the value itself.
  #field(): void {
    const [raw] = /^(?:\\.|[^\s.,[\]$@{}\\])*/s.exec(this.#text.slice(this.#place))!;
    this.#place += raw.length;
    if (raw === "*") this.#steps.push({ step: "all" });
    else if (raw !== "") this.#steps.push({ step: "field", name: raw.replaceAll(/\\(.)/gs, "$1") });
    else if (/^[\\,\]{}]/.test(this.#text.slice(this.#place))) this.#unexpected();
  }

  #quoted(): void {
    const end = endOfQuoted(this.#text, this.#place);
    if (end === null) throw new JsonPathSyntaxError("a quoted text has no end");
    const inner = this.#text.slice(this.#place + 1, end - 1);
    this.#place = end;
    const value = inner.replaceAll(/\\(.)/gs, (_, letter: string) => escapes[letter] ?? letter);
    this.#steps.push({ step: "literal", value });
  }

  #number(rest: string): void {
    const [text] = /^[-+]?[\d.]*/.exec(rest)!;
    const value = Number(text);
    if (text === "" || Number.isNaN(value)) throw new JsonPathSyntaxError(`'${text}' is no number`);
    this.#place += text.length;
    this.#steps.push({ step: "literal", value });
  }

  #word(rest: string): void {
    const [word] = /^[\p{L}\p{N}_]*/u.exec(rest)!;
    if (word === "") this.#unexpected();
    if (word !== "true" && word !== "false")
      throw new JsonPathSyntaxError(`'${word}' is no word of JSONPath`);
    this.#place += word.length;
    this.#steps.push({ step: "literal", value: word === "true" });
  }

  #unexpected(): never {
    throw new JsonPathSyntaxError(`'${this.#text[this.#place]}' is not expected in '${this.#text}'`);
  }

  // [0], [1:3], [-1:], [::2], [*], ['name'], or several of them.
  #brackets(): void {
    const end = this.#find("]", this.#place + 1);
    const parts = splitOutsideQuotes(this.#text.slice(this.#place + 1, end), ",");
    this.#place = end + 1;
    const paths = parts.map((part) => this.#bracket(part.trim()));
    if (paths.length === 1) this.#steps.push(...paths[0]!);
    else this.#steps.push({ step: "union", paths });
  }

  #bracket(part: string): Path {
    if (part === "*") return [{ step: "slice", from: null, to: null, by: null }];
    if (/^(['"]).*\1$/s.test(part) && part.length > 2) {
      const name = part.slice(1, -1);
      return new PathReader(`.${name}`, this.#depth + 1).read();
    }
    const match = slicePattern.exec(part);
    if (match === null || part === "") throw new JsonPathSyntaxError(`[${part}] is no index`);
    const [from, to, by] = match.slice(1).map((number) => (number === undefined ? null : Number(number)));
    if (!part.includes(":")) return [{ step: "index", index: from! }];
    if (by !== null && by! <= 0) throw new JsonPathSyntaxError(`the step of [${part}] is not above 0`);
    return [{ step: "slice", from: from!, to: to!, by: by! }];
  }

  #filter(): void {
    const begin = this.#place + "[?(".length;
    const end = this.#find(")", begin);
    if (this.#text[end + 1] !== "]") throw new JsonPathSyntaxError("a filter does not end in ')]'");
    this.#place = end + 2;
    this.#steps.push(this.#condition(this.#text.slice(begin, end)));
  }

  #condition(text: string): Step {
    const read = (part: string): Path => new PathReader(part, this.#depth + 1).read();
    for (let place = 0; place < text.length; place++) {
      if (text[place] === '"' || text[place] === "'") place = (endOfQuoted(text, place) ?? text.length) - 1;
      const sign = /^[!<>=~]+/.exec(text.slice(place))?.[0];
      if (sign === undefined) continue;
      const right = text.slice(place + sign.length);
      if (!isOperator(sign)) throw new JsonPathSyntaxError(`'${sign}' is no operator of filters`);
      if (right.trim() === "") throw new JsonPathSyntaxError(`nothing follows '${sign}'`);
      return { step: "filter", left: read(text.slice(0, place)), operator: sign, right: read(right) };
    }
    if (text.trim() === "") throw new JsonPathSyntaxError("a filter is empty");
    return { step: "exists", path: read(text) };
  }

  // Finds a closing bracket outside quotes.
  #find(bracket: string, from: number): number {
    for (let place = from; place < this.#text.length; place++) {
      const character = this.#text[place];
      if (character === bracket) return place;
      if (character === '"' || character === "'")
        place = (endOfQuoted(this.#text, place) ?? this.#text.length) - 1;
    }
    throw new JsonPathSyntaxError(`'${this.#text.slice(this.#place)}' has no '${bracket}'`);
  }
}

function isOperator(sign: string): sign is Operator {
  return (operators as readonly string[]).includes(sign);
}

/** Splits a text at a separator that is neither quoted nor in brackets. */
export function splitOutsideQuotes(text: string, separator: string): string[] {
  const parts: string[] = [];
  let begin = 0;
  let depth = 0;
  for (let place = 0; place < text.length; place++) {
    const character = text[place]!;
    if (character === '"' || character === "'") place = (endOfQuoted(text, place) ?? text.length) - 1;
    else if ("[({".includes(character)) depth++;
    else if ("])}".includes(character)) depth--;
    else if (character === separator && depth === 0) {
      parts.push(text.slice(begin, place));
      begin = place + 1;
    }
  }
  parts.push(text.slice(begin));
  return parts;
}
