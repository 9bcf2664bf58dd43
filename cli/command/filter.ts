// The filter flags as the query API's Filter. Pure; every mistake is a UsageError that quotes it.

import type { Filter } from "../../lib/gen/whotalks/v1/query.ts";
import { stateWords } from "../../lib/vocabulary/states.ts";
import { outcomeWords } from "../../lib/vocabulary/outcomes.ts";
import { protocolWords } from "../../lib/vocabulary/protocols.ts";
import { UsageError } from "./errors.ts";
import type { Flags } from "./flags.ts";
import { parseSelector } from "./selectors.ts";
import { didYouMean } from "../text/suggest.ts";

const PORT_MAX = 65_535;
const PROTOCOL_NUMBER_MAX = 255;

/** A filter that lets everything through. */
export const openFilter: Filter = {
  from: [],
  to: [],
  either: [],
  ports: [],
  protocols: [],
  states: [],
  processes: [],
  namespaceInodes: [],
  namespaces: [],
  labels: "",
  outcomes: [],
  openOnly: false,
  includeAnonymous: false,
};

/** Reads the filter flags. Where bareIsProcess is set, an endpoint without a kind is the name of a process. */
export function parseFilter(flags: Flags, bareIsProcess: boolean): Filter {
  const selectors = (flag: string, texts: readonly string[] = []): Filter["from"] =>
    values(flag, texts).map((text) => parseSelector(text, bareIsProcess));
  return {
    ...openFilter,
    from: selectors("--from", flags.from),
    to: selectors("--to", flags.to),
    either: selectors("--either", flags.either),
    ports: values("--port", flags.port).map((text) => parseNumber("--port", text, 1, PORT_MAX)),
    protocols: values("--protocol", flags.protocol).map(parseProtocol),
    states: values("--state", flags.state).map((text) =>
      oneOf("--state", text.toUpperCase().replaceAll("-", "_"), stateWords),
    ),
    processes: values("--process", flags.process),
    namespaceInodes: values("--namespace-inode", flags.namespaceInode).map((text) =>
      parseNumber("--namespace-inode", text.replace(/^net:\[(\d+)\]$/, "$1"), 1, Number.MAX_SAFE_INTEGER),
    ),
    outcomes: values("--outcome", flags.outcome).map((text) =>
      oneOf("--outcome", text.toLowerCase(), outcomeWords),
    ),
    openOnly: flags.open === true,
    includeAnonymous: flags.anonymous === true,
  };
}

/** Reads a whole number of a range; throws UsageError naming the flag. */
export function parseNumber(flag: string, text: string, min: number, max: number): number {
  const number = Number(text);
  if (!/^\d+$/.test(text) || !Number.isSafeInteger(number) || number < min || number > max) {
    const range = max === Number.MAX_SAFE_INTEGER ? `from ${min}` : `from ${min} to ${max}`;
    throw new UsageError(`${flag} takes a whole number ${range}, not '${text}'.`);
  }
  return number;
}

/** Takes one of several words; throws UsageError that lists them. */
export function oneOf<Word extends string>(flag: string, word: string, words: readonly Word[]): Word {
  const known = words.find((candidate) => candidate === word);
  if (known === undefined) {
    throw new UsageError(`${flag} takes one of ${words.join(", ")}, not '${word}'.`, didYouMean(word, words));
  }
  return known;
}

function parseProtocol(text: string): string {
  if (/^\d+$/.test(text)) return String(parseNumber("--protocol", text, 0, PROTOCOL_NUMBER_MAX));
  return oneOf("--protocol", text.toLowerCase(), protocolWords);
}

function values(flag: string, texts: readonly string[] = []): string[] {
  const trimmed = texts.map((text) => text.trim());
  if (trimmed.includes("")) throw new UsageError(`${flag} has an empty value.`);
  return trimmed;
}
