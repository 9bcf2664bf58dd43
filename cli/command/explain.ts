// Converts any error to one line for the user and an exit code. Nothing else decides this.

import { type Command, CommanderError } from "commander";
import { didYouMean } from "../../lib/program/suggest.ts";
import { UsageError, usageSentence } from "../../lib/program/usage-error.ts";
import { ExitCode, FailureError } from "./errors.ts";
import { commandNames } from "./program.ts";

/** The message for the user and the exit code. */
interface Explanation {
  /** Empty if there is nothing to print. */
  readonly sentence: string;
  readonly exitCode: number;
}

/** Converts commander's errors about the command line to UsageErrors; returns other errors unchanged. */
export function commandLineMistake(error: unknown, program: Command, words: readonly string[]): unknown {
  if (!(error instanceof CommanderError) || error.exitCode === 0) return error;
  const [first = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  const hint = suggestion.replace(/^\((.*)\)$/, "$1");
  const command = commandOf(words);
  if (error.code === "commander.excessArguments") {
    const stray = strayWord(words, program, command);
    if (command === null) {
      return new UsageError(`unknown command '${stray}'.`, didYouMean(stray, [...commandNames, "help"]));
    }
    const taken = command === "local" ? "takes one word at most" : "takes no words";
    return new UsageError(`${command} ${taken}, and '${stray}' is one too many.`);
  }
  return new UsageError(`${first}.`, hint);
}

/** Returns the line and the exit code for an error. */
export function sentenceOf(error: unknown, program: string, words: readonly string[]): Explanation {
  if (error instanceof CommanderError && error.exitCode === 0)
    return { sentence: "", exitCode: ExitCode.success };
  if (error instanceof UsageError) {
    const command = commandOf(words);
    const help = `${program}${command === null ? "" : ` ${command}`} --help`;
    return { sentence: usageSentence(error, program, help), exitCode: ExitCode.usage };
  }
  if (error instanceof FailureError)
    return { sentence: `${program}: ${error.message}`, exitCode: ExitCode.failure };
  // A bug: include the stack trace for the bug report.
  const trace =
    error instanceof Error ? (error.stack ?? error.message).replaceAll(/\n\s*/g, " ") : String(error);
  return {
    sentence: `${program}: this is a mistake in whotalks, please report it: ${trace}`,
    exitCode: ExitCode.failure,
  };
}

function commandOf(words: readonly string[]): string | null {
  return words.find((word) => (commandNames as readonly string[]).includes(word)) ?? null;
}

// Commander does not report which word was too many: return the first that is neither a command, a flag nor a
// flag's value.
function strayWord(words: readonly string[], program: Command, command: string | null): string {
  const options =
    program.commands.find((candidate) => candidate.name() === (command ?? "edges"))?.options ?? [];
  const strays: string[] = [];
  for (let index = 0; index < words.length; index++) {
    const word = words[index]!;
    const option = options.find((candidate) => candidate.long === word || candidate.short === word);
    if (option !== undefined) index += option.required ? 1 : 0;
    else if (!word.startsWith("-")) strays.push(word);
  }
  const ownWords = (command === null ? 0 : 1) + (command === "local" ? 1 : 0);
  return strays[ownWords] ?? strays.at(-1) ?? "";
}
