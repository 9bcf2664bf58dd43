// Puts the words of a command line into the order that commander takes: the command, its flags, then all other
// words. Flags may be typed anywhere, before the command too, and in every form that kubectl takes. Without a
// command it is edges, and kubectl's `get` in front of a command is passed over.

import type { Option } from "commander";
import { didYouMean } from "../../lib/program/suggest.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { commandNamed, type CommandName, commandNames } from "./command-names.ts";
import { looksLikeEndpoint } from "./endpoint-words.ts";
import { allFlagOptions } from "./flags.ts";

/** What was typed, flags and words apart. */
export interface TypedWords {
  readonly flags: readonly string[];
  readonly words: readonly string[];
  /** The values of the flags, by their long names. */
  readonly values: ReadonlyMap<string, string>;
  /** The last flag, if its value is missing. */
  readonly pending: Option | null;
  /** The first flag that cannot be read; null if there is none. */
  readonly mistake: UsageError | null;
}

const helpFlags: ReadonlySet<string> = new Set(["-h", "--help"]);
const versionFlags: ReadonlySet<string> = new Set(["-V", "--version"]);

/** Arranges a command line. Throws UsageError if a flag or the command is unknown. */
export function arrangeWords(typed: readonly string[]): readonly string[] {
  const { flags, words, mistake } = readWords(typed);
  if (mistake !== null) throw mistake;
  const [first, ...rest] = words;
  const command = wordCommand(first);
  if (first !== undefined && command !== null) {
    if (command === "help") return [command, ...rest.map((word) => commandNamed(word) ?? word)];
    return [command, ...flags, ...separated(rest)];
  }
  if (first !== undefined && !looksLikeEndpoint(first)) throw unknownCommand(first);
  if (flags.some((flag) => helpFlags.has(flag))) return ["--help"];
  if (flags.some((flag) => versionFlags.has(flag))) return ["--version"];
  return ["edges", ...flags, ...separated(words)];
}

/** Returns the command of a command line, which may have mistakes elsewhere; null if there is none. */
export function commandOf(typed: readonly string[]): CommandName | "help" | null {
  return wordCommand(readWords(typed).words[0]);
}

/** Returns the command that a first word names; null if it names none. */
export function wordCommand(word: string | undefined): CommandName | "help" | null {
  if (word === undefined) return null;
  return word === "help" ? word : commandNamed(word);
}

function unknownCommand(word: string): UsageError {
  const hint = didYouMean(word, [...commandNames, "help"]);
  const form = /^[a-z0-9][-a-z0-9.]*$/.test(word)
    ? `An endpoint has its kind in front: pod/${word}, deploy/${word}, svc/${word}.`
    : "";
  return new UsageError(`unknown command '${word}'.`, hint === "" ? form : hint);
}

function separated(words: readonly string[]): readonly string[] {
  return words.length === 0 ? [] : ["--", ...words];
}

/** Reads a command line as far as it goes; a mistake in it is in the result. */
export function readWords(typed: readonly string[]): TypedWords {
  const reader = new WordReader(typed);
  reader.read();
  if (reader.words[0] === "get") reader.words.shift();
  return reader;
}

class WordReader implements TypedWords {
  readonly flags: string[] = [];
  readonly words: string[] = [];
  readonly values = new Map<string, string>();
  pending: Option | null = null;
  mistake: UsageError | null = null;
  readonly #typed: readonly string[];
  #place = 0;

  constructor(typed: readonly string[]) {
    this.#typed = typed;
  }

  read(): void {
    while (this.#place < this.#typed.length) {
      const word = this.#typed[this.#place++]!;
      if (word === "--") {
        this.words.push(...this.#typed.slice(this.#place));
        return;
      }
      if (word.startsWith("--")) this.#long(word);
      else if (word.startsWith("-") && word !== "-") this.#short(word);
      else this.words.push(word);
    }
  }

  #long(word: string): void {
    const equals = word.indexOf("=");
    const name = equals < 0 ? word : word.slice(0, equals);
    if (equals < 0 && (helpFlags.has(name) || versionFlags.has(name))) {
      this.flags.push(name);
      return;
    }
    const option = longOptions.get(name);
    if (option === undefined) this.#unknown(name);
    else if (equals >= 0) this.#assigned(option, name, word.slice(equals + 1));
    else this.#plain(option, name);
  }

  // One letter or several, of which the last may have a value: -n shop, -nshop, -n=shop, -Aw, -Aojson.
  #short(word: string): void {
    for (let place = 1; place < word.length; place++) {
      const name = `-${word[place]!}`;
      if (helpFlags.has(name) || versionFlags.has(name)) {
        this.flags.push(name);
        continue;
      }
      const option = shortOptions.get(name);
      if (option === undefined) {
        this.#unknown(word.length === 2 ? word : `${name}' of '${word}`);
        return;
      }
      const rest = word.slice(place + 1);
      if (rest.startsWith("=")) {
        this.#assigned(option, name, rest.slice(1));
        return;
      }
      if (option.required && rest !== "") {
        this.#take(option, name, rest);
        return;
      }
      this.#plain(option, name);
    }
  }

  #plain(option: Option, name: string): void {
    if (!option.required) {
      this.flags.push(name);
      return;
    }
    const value = this.#typed[this.#place++];
    if (value === undefined) {
      this.pending = option;
      this.#refuse(new UsageError(`option '${option.flags}' argument missing.`));
    } else {
      this.#take(option, name, value);
    }
  }

  #take(option: Option, name: string, value: string): void {
    this.flags.push(name, value);
    this.values.set(option.long!, value);
  }

  // kubectl takes --watch=true and --watch=false too.
  #assigned(option: Option, name: string, value: string): void {
    if (option.required) this.#take(option, name, value);
    else if (value === "true") this.flags.push(name);
    else if (value !== "false") this.#refuse(new UsageError(`${name} takes true or false, not '${value}'.`));
  }

  #unknown(name: string): void {
    const hint = didYouMean(name, [...longOptions.keys(), "--help", "--version"]);
    this.#refuse(new UsageError(`unknown option '${name}'.`, hint));
  }

  #refuse(mistake: UsageError): void {
    this.mistake ??= mistake;
  }
}

const longOptions: ReadonlyMap<string, Option> = new Map(
  allFlagOptions().map((option) => [option.long!, option]),
);
const shortOptions: ReadonlyMap<string, Option> = new Map(
  allFlagOptions().flatMap((option) => (option.short === undefined ? [] : [[option.short, option]])),
);
