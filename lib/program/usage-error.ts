// Mistakes of the user in a command line or a setting: one sentence that says what is allowed, and exit code
// 2.

/** Exit code for a command line or settings that cannot be used. */
export const EXIT_USAGE = 2;

/** An invalid request of the user. The message is one sentence that says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** A word that the user may have meant, or where to read more. */
  readonly hint: string;

  constructor(message: string, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/** Returns what to print for a mistake: the program's name, the sentence, and the command that prints help. */
export function usageSentence(error: UsageError, program: string, helpCommand: string): string {
  const hint = error.hint === "" ? "" : ` ${error.hint}`;
  return `${program}: ${error.message}${hint} See '${helpCommand}'.`;
}
