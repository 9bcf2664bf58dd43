// Converts any error to one line for the user and an exit code. Nothing else decides this.

import { CommanderError } from "commander";
import { UsageError, usageSentence } from "../../lib/program/usage-error.ts";
import { commandOf } from "./arrange-words.ts";
import { ExitCode, FailureError } from "./errors.ts";
import { JsonPathMismatch } from "../jsonpath/syntax.ts";

/** The message for the user and the exit code. */
interface Explanation {
  /** Empty if there is nothing to print. */
  readonly sentence: string;
  readonly exitCode: number;
}

/** Converts commander's errors about the command line to UsageErrors; returns other errors unchanged. */
export function commandLineMistake(error: unknown): unknown {
  if (!(error instanceof CommanderError) || error.exitCode === 0) return error;
  const [first = "", suggestion = ""] = error.message.replace(/^error: /, "").split("\n");
  const hint = suggestion.replace(/^\((.*)\)$/, "$1");
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
  if (error instanceof FailureError || error instanceof JsonPathMismatch)
    return { sentence: `${program}: ${error.message}`, exitCode: ExitCode.failure };
  // A bug: include the stack trace for the bug report.
  const trace =
    error instanceof Error ? (error.stack ?? error.message).replaceAll(/\n\s*/g, " ") : String(error);
  return {
    sentence: `${program}: this is a mistake in whotalks, please report it: ${trace}`,
    exitCode: ExitCode.failure,
  };
}
