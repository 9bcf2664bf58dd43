// Values that a user types on a command line. Pure; every mistake is a UsageError that quotes the value.

import { findWord } from "../vocabulary/word-list.ts";
import { didYouMean } from "./suggest.ts";
import { UsageError } from "./usage-error.ts";

/** Parses an integer in a range; throws UsageError naming the flag. */
export function parseNumber(flag: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < min || number > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new UsageError(`${flag} takes a whole number ${range}, not '${text}'.`);
  }
  return number;
}

/**
 * Resolves a word of a vocabulary with its function; throws UsageError that lists the words if it is unknown.
 */
export function knownWord<Word extends string>(
  flag: string,
  text: string,
  normalize: (text: string) => Word | null,
  words: readonly Word[],
): Word {
  const word = normalize(text);
  if (word !== null) return word;
  throw new UsageError(`${flag} takes one of ${words.join(", ")}, not '${text}'.`, didYouMean(text, words));
}

/** Resolves one of several words; throws UsageError that lists them. */
export function listedWord<Word extends string>(flag: string, text: string, words: readonly Word[]): Word {
  return knownWord(flag, text, (typed) => findWord(words, typed), words);
}

/**
 * Resolves the first word of a command line, which must be one of several; throws UsageError that lists them.
 */
export function firstName(what: string, words: readonly string[], names: readonly string[]): string {
  const [word] = words;
  if (word === undefined) throw new UsageError(`${what} is missing: one of ${names.join(", ")}.`);
  return listedWord(what, word, names);
}
