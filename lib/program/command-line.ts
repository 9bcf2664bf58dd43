// Reads the command lines of the services and of the repository's own programs. (The CLI's flags are
// commander's.) Every mistake is a UsageError that says what is allowed.

import { parseArgs } from "node:util";

import { UsageError } from "./usage-error.ts";

/** A flag. Every program also has --help and -h. */
export interface Flag {
  /** Placeholder of the value in help ("N"); a flag without one takes no value. */
  readonly value?: string;
  /** One line of help. */
  readonly help: string;
}

/** What was typed. */
export interface CommandLine<Name extends string> {
  /** The flags that were given with their values, the last value of each; "" for a flag that takes none. */
  readonly flags: ReadonlyMap<Name | "help", string>;
  /** The other words, in order. */
  readonly words: readonly string[];
}

type OptionToken = Extract<
  NonNullable<ReturnType<typeof parseArgs>["tokens"]>[number],
  { readonly kind: "option" }
>;

/** Reads flags and words. Throws UsageError, unless help was asked for, which no mistake prevents. */
export function readCommandLine<Name extends string>(
  known: Readonly<Record<Name, Flag>>,
  takesWords: boolean,
  args: readonly string[],
): CommandLine<Name> {
  const allowed: ReadonlyMap<string, Flag> = new Map([
    ...Object.entries<Flag>(known),
    ["help", { help: "show help" }],
  ]);
  const { tokens } = parseArgs({
    args: [...args],
    options: Object.fromEntries([...allowed].map(([name, flag]) => [name, optionOf(name, flag)])),
    // Its own errors neither say what is allowed nor fit on a line.
    strict: false,
    allowPositionals: true,
    tokens: true,
  });
  const flags = new Map<Name | "help", string>();
  const words: string[] = [];
  const mistakes: UsageError[] = [];
  for (const token of tokens) {
    if (token.kind === "positional") words.push(token.value);
    if (token.kind !== "option") continue;
    const mistake = mistakeOf(token, allowed);
    if (mistake === null) flags.set(token.name as Name | "help", token.value ?? "");
    else mistakes.push(mistake);
  }
  if (flags.has("help")) return { flags, words };
  if (mistakes.length > 0) throw mistakes[0]!;
  if (!takesWords) refuseWords(words);
  return { flags, words };
}

/** Throws UsageError if there are words that a program does not take. */
export function refuseWords(words: readonly string[]): void {
  if (words.length > 0) throw new UsageError(`no word is expected here, and '${words[0]!}' is one too many.`);
}

function optionOf(name: string, { value }: Flag): { type: "string" | "boolean"; short?: string } {
  if (name === "help") return { type: "boolean", short: "h" };
  return { type: value === undefined ? "boolean" : "string" };
}

function mistakeOf(
  { name, rawName, value, inlineValue }: OptionToken,
  allowed: ReadonlyMap<string, Flag>,
): UsageError | null {
  const flag = allowed.get(name);
  if (flag === undefined) {
    return new UsageError(`unknown flag '${rawName}'; ${flagList([...allowed.keys()])}.`);
  }
  if (flag.value === undefined) {
    return value === undefined ? null : new UsageError(`${rawName} takes no value, not '${value}'.`);
  }
  // A value that looks like a flag is one: `--seed --histories 5` lacks a value.
  const isMissing = value === undefined || (!inlineValue && /^-./.test(value));
  return isMissing ? new UsageError(`${rawName} needs a value, as in ${rawName}=${flag.value}.`) : null;
}

function flagList(names: readonly string[]): string {
  const flags = names.map((name) => `--${name}`);
  const last = flags.at(-1)!;
  if (flags.length === 1) return `the only flag is ${last}`;
  return `the flags are ${flags.slice(0, -1).join(", ")} and ${last}`;
}
