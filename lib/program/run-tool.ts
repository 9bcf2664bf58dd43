// The shared main function of the repository's own programs (benchmarks, soak, test runs, scripts): reads the
// command line, prints help, reports mistakes.

import { type CommandLine, type Flag, readCommandLine } from "./command-line.ts";
import { EXIT_USAGE, UsageError, usageSentence } from "./usage-error.ts";

/** What a program is, and what its command line may contain. */
export interface Tool<Name extends string = never> {
  /** What a user types to start it: "npm run soak". */
  readonly start: string;
  /** One sentence on what it does. */
  readonly summary: string;
  /** The words it takes; absent if it takes none. */
  readonly words?: {
    /** As the usage line shows them: "NAME", "[FILE…]". */
    readonly usage: string;
    /** Lines of help. */
    readonly help: readonly string[];
  };
  readonly flags: Readonly<Record<Name, Flag>>;
}

/**
 * Runs a program. Prints help and nothing else if it is asked for. A mistake in the command line, also a
 * UsageError of `run`, is printed as one sentence and makes the exit code 2.
 */
export async function runTool<Name extends string>(
  tool: Tool<Name>,
  args: readonly string[],
  run: (given: CommandLine<Name>) => Promise<void> | void,
): Promise<void> {
  try {
    const given = readCommandLine(tool.flags, tool.words !== undefined, args);
    if (given.flags.has("help")) console.log(helpText(tool));
    else await run(given);
  } catch (error) {
    if (!(error instanceof UsageError)) throw error;
    console.error(usageSentence(error, tool.start, `${typed(tool.start)} --help`));
    process.exitCode = EXIT_USAGE;
  }
}

// npm takes what follows `--` as the program's.
function typed(start: string): string {
  return start.startsWith("npm ") ? `${start} --` : start;
}

function helpText<Name extends string>({ start, summary, words, flags }: Tool<Name>): string {
  const entries = Object.entries<Flag>(flags).map(
    ([name, { value, help }]) => [`--${name}${value === undefined ? "" : ` ${value}`}`, help] as const,
  );
  const rows = [...entries, ["-h, --help", "show help"] as const];
  const width = Math.max(...rows.map(([flag]) => flag.length));
  const usage = [typed(start), ...(words === undefined ? [] : [words.usage]), "[flags]"].join(" ");
  return [
    `Usage: ${usage}`,
    "",
    summary,
    ...(words === undefined ? [] : ["", ...words.help]),
    "",
    "Flags:",
    ...rows.map(([flag, help]) => `  ${flag.padEnd(width)}  ${help}`),
  ].join("\n");
}
