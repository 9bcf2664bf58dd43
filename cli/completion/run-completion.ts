// `__complete WORD…`, which the completion scripts run: prints what may follow in cobra's form, which kubectl's
// completion of plugins reads too: a word a line, then a colon and the sum of what the shell should do.
// https://github.com/spf13/cobra/blob/main/site/content/completions/_index.md#debugging-your-code

import { setTimeout as sleep } from "node:timers/promises";
import type { ClusterChoice } from "../command/cluster-choice.ts";
import type { Terminal } from "../output/terminal.ts";
import { escapeText } from "../text/escape-text.ts";
import { openClusterNames } from "./cluster-names.ts";
import { complete, type Completion } from "./complete.ts";

/** Milliseconds that completing may take: longer, and users think that their shell hangs. */
const COMPLETE_MS_MAX = 2000;

/** Parts of cobra's directive. */
const NO_SPACE = 2;
const NO_FILES = 4;

const nothing: Completion = { words: [], goesOn: false, files: false };

/** Prints the completions of the last word; nothing if they cannot be found in time. */
export async function runCompletion(
  words: readonly string[],
  terminal: Terminal,
  environment: ClusterChoice["environment"],
): Promise<void> {
  const signal = AbortSignal.timeout(COMPLETE_MS_MAX);
  const completing = complete(words, (typed) =>
    Promise.resolve().then(() => openClusterNames(typed, environment, signal)),
  ).catch(() => nothing);
  const completion = await Promise.race([completing, sleep(COMPLETE_MS_MAX, nothing)]);
  const directive = (completion.goesOn ? NO_SPACE : 0) + (completion.files ? 0 : NO_FILES);
  const lines = completion.words.map((word) => word.split("\t").map(escapeText).join("\t"));
  await terminal.write([...lines, `:${directive}`].map((line) => `${line}\n`).join(""));
}
