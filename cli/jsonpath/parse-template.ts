// Reads a JSONPath template: text with expressions in braces, `{range …}` and `{end}`.

import { endOfQuoted, parsePath } from "./parse-path.ts";
import { JsonPathSyntaxError, type Part, type Template } from "./syntax.ts";

/** Ranges within ranges at most. */
const RANGES_MAX = 20;

/** Parses a template. A range without an end goes on to the template's end. Throws JsonPathSyntaxError. */
export function parseTemplate(text: string): Template {
  const reader = new TemplateReader(text);
  return reader.read(0);
}

class TemplateReader {
  readonly #text: string;
  #place = 0;

  constructor(text: string) {
    this.#text = text;
  }

  read(ranges: number): Template {
    const parts: Part[] = [];
    if (ranges > RANGES_MAX) throw new JsonPathSyntaxError("its ranges are nested too deeply");
    while (this.#place < this.#text.length) {
      const begin = this.#text.indexOf("{", this.#place);
      const text = this.#text.slice(this.#place, begin < 0 ? undefined : begin);
      if (text !== "") parts.push({ part: "text", text });
      if (begin < 0) {
        this.#place = this.#text.length;
        break;
      }
      const action = this.#action(begin);
      if (action === "end") {
        if (ranges === 0) throw new JsonPathSyntaxError("an {end} has no {range}");
        return parts;
      }
      const range = /^range(?=[\s.@$[])(.*)$/s.exec(action);
      if (range === null) parts.push({ part: "path", path: parsePath(action) });
      else parts.push({ part: "range", path: parsePath(range[1]!), body: this.read(ranges + 1) });
    }
    return parts;
  }

  // Returns what is between the braces, and moves behind them.
  #action(begin: number): string {
    for (let place = begin + 1; place < this.#text.length; place++) {
      const character = this.#text[place];
      if (character === '"' || character === "'") {
        const end = endOfQuoted(this.#text, place);
        if (end === null) throw new JsonPathSyntaxError("a quoted text has no end");
        place = end - 1;
      } else if (character === "}") {
        this.#place = place + 1;
        return this.#text.slice(begin + 1, place).trim();
      }
    }
    throw new JsonPathSyntaxError(`'${this.#text.slice(begin)}' has no '}'`);
  }
}
