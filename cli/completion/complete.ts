// What a shell may complete: the words and flags that may follow on a command line.

import type { Option } from "commander";
import { outcomeWords } from "../../lib/vocabulary/outcomes.ts";
import { conntrackChoices } from "../../lib/vocabulary/conntrack-choices.ts";
import { eventsChoices } from "../../lib/vocabulary/events-modes.ts";
import { protocolWords } from "../../lib/vocabulary/protocols.ts";
import { readerChoices } from "../../lib/vocabulary/reader-names.ts";
import { stateWords } from "../../lib/vocabulary/states.ts";
import { readWords, type TypedWords, wordCommand } from "../command/arrange-words.ts";
import { type CommandName, commandNames, isSubject, subjects } from "../command/command-names.ts";
import { formatForms } from "../command/formats.ts";
import { isKindWord } from "../command/selectors.ts";
import { commandOptions, commandSummary } from "../command/program.ts";
import { viewColumnKeys } from "../views/views.ts";
import type { ClusterNames } from "./cluster-names.ts";
import { shells } from "./scripts.ts";

/** What may follow. */
export interface Completion {
  /** Whole words, each with a description after a tab if it has one. */
  readonly words: readonly string[];
  /** Whether the word goes on after the completion, as `pod/` does. */
  readonly goesOn: boolean;
  /** Whether the name of a file may follow. */
  readonly files: boolean;
}

/** What to complete from: the cluster that the flags choose, opened only if it is needed. */
export type OpenNames = (typed: TypedWords) => Promise<ClusterNames>;

const nothing: Completion = { words: [], goesOn: false, files: false };
const aFile: Completion = { words: [], goesOn: false, files: true };
const clusterKinds = ["pod", "deploy", "sts", "ds", "job", "cj", "rs", "svc", "node", "ns"];
const machineKinds = ["process", "pid", "unit", "container"];
const kindlessWords = ["external", "unknown"];

/** Completes the last of the words. Throws whatever the cluster's names throw. */
export async function complete(words: readonly string[], open: OpenNames): Promise<Completion> {
  const last = words.at(-1) ?? "";
  const typed = readWords(words.slice(0, -1));
  if (typed.pending !== null) return completeValue(typed.pending, last, "", typed, open);
  const assigned = /^(--[a-z-]+)=(.*)$/s.exec(last);
  const command = wordCommand(typed.words[0]);
  const options = command === "help" ? [] : commandOptions(command ?? "edges");
  if (assigned !== null) {
    const option = options.find(({ long }) => long === assigned[1]);
    return option === undefined
      ? nothing
      : completeValue(option, assigned[2]!, `${assigned[1]}=`, typed, open);
  }
  if (last.startsWith("-")) return starting(last, options.flatMap(flagWords));
  return completeWord(command, last, typed, open);
}

function flagWords({ long, short, description }: Option): string[] {
  return [long, short].flatMap((flag) => (flag === undefined ? [] : [`${flag}\t${description}`]));
}

async function completeWord(
  command: CommandName | "help" | null,
  last: string,
  typed: TypedWords,
  open: OpenNames,
): Promise<Completion> {
  const commands = commandNames.map((name) => `${name}\t${commandSummary(name)}`);
  if (command === "help") return typed.words.length === 1 ? starting(last, commands) : nothing;
  if (command === "completion") return typed.words.length === 1 ? starting(last, shells) : nothing;
  if (command === "version" || command === "coverage") return nothing;
  const endpoints = await completeEndpoint(last, typed, command === "local" ? null : open);
  if (typed.words.length === 0) return merged(starting(last, commands), endpoints);
  return command === "local" && typed.words.length === 1
    ? merged(starting(last, subjects), endpoints)
    : endpoints;
}

// Commands and kinds are offered together; a shell adds a space only if there is one word, which ends.
function merged(words: Completion, endpoints: Completion): Completion {
  if (words.words.length === 0) return endpoints;
  return { ...endpoints, words: [...words.words, ...endpoints.words], goesOn: endpoints.words.length > 0 };
}

// pod/NAME, NAMESPACE/pod/NAME, or NAME after the word pod.
async function completeEndpoint(
  last: string,
  typed: TypedWords,
  open: OpenNames | null,
): Promise<Completion> {
  const [, namespace, kind] = /^(?:([^/]*)\/)?([^/]*)\/[^/]*$/.exec(last) ?? [];
  if (kind !== undefined) {
    if (open === null) return nothing;
    const names = await (await open(typed)).objects(kind, namespace ?? null);
    const front = namespace === undefined ? `${kind}/` : `${namespace}/${kind}/`;
    return starting(
      last,
      names.map((name) => front + name),
    );
  }
  const before = typed.words.at(-1);
  if (before !== undefined && isKindWord(before) && !machineKinds.includes(before) && open !== null)
    return starting(last, await (await open(typed)).objects(before, null));
  const kinds = open === null ? machineKinds : [...clusterKinds, ...machineKinds];
  const fitting = starting(last, [...kinds.map((each) => `${each}/`), ...kindlessWords]);
  return { ...fitting, goesOn: fitting.words.some((word) => word.endsWith("/")) };
}

async function completeValue(
  option: Option,
  last: string,
  front: string,
  typed: TypedWords,
  open: OpenNames,
): Promise<Completion> {
  // Of several values with commas only the last is completed.
  const comma = isList(option) ? last.lastIndexOf(",") + 1 : 0;
  const before = front + last.slice(0, comma);
  const words = await valuesOf(option, last.slice(comma), typed, open);
  return {
    ...words,
    words: words.words.map((word) => before + word),
  };
}

function isList(option: Option): boolean {
  return option.parseArg !== undefined;
}

async function valuesOf(
  option: Option,
  last: string,
  typed: TypedWords,
  open: OpenNames,
): Promise<Completion> {
  const command = wordCommand(typed.words[0]) ?? "edges";
  switch (option.long ?? "") {
    case "--namespace":
    case "--whotalks-namespace":
      return starting(last, await (await open(typed)).objects("ns", null));
    case "--context":
      return starting(last, (await open(typed)).contexts);
    case "--from":
    case "--to":
    case "--either":
      return completeEndpoint(last, { ...typed, words: [] }, command === "local" ? null : open);
    case "--kubeconfig":
    case "--from-file":
    case "--proc":
      return aFile;
    case "--output": {
      const forms = formatForms.map((form) => form.replace("…", ""));
      const fitting = starting(last, command === "version" ? ["text", "wide", "json", "yaml"] : forms);
      return { ...fitting, goesOn: fitting.words.some((word) => word.endsWith("=")) };
    }
    case "--sort":
    case "--sort-by":
      return isSubject(command) && command !== "watch" ? starting(last, viewColumnKeys(command)) : nothing;
    default:
      return starting(last, fixedValues[option.long ?? ""] ?? []);
  }
}

const fixedValues: Readonly<Record<string, readonly string[]>> = {
  "--protocol": [...protocolWords, "all"],
  "--state": stateWords.map((word) => word.toLowerCase().replaceAll("_", "-")),
  "--outcome": outcomeWords,
  "--reader": readerChoices,
  "--conntrack": conntrackChoices,
  "--events": eventsChoices,
  "--byte-order": ["little", "big"],
  "--listen": ["none"],
};

function starting(last: string, words: readonly string[]): Completion {
  return { ...nothing, words: words.filter((word) => word.startsWith(last)) };
}
