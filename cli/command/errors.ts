// The three ways in which a run of the command line ends badly, each with its exit code, and the one place
// that turns any error into a sentence.

/** Exit codes, as docs/cli.md lists them. 3 is kept for "not enough coverage to say". */
export const ExitCode = { success: 0, failure: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** The user asked for something that cannot be: exit 2. The message is one sentence that says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** A word that the user may have meant, or a place to read on. */
  readonly hint: string;

  constructor(message: string, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/**
 * Something that should work did not: exit 1. The message is a sentence that says what happened and what to
 * do.
 */
export class FailureError extends Error {
  override readonly name = "FailureError";
}

/** The reader of our output went away (`| head`): nothing to say, exit 0. */
export class BrokenPipeError extends Error {
  override readonly name = "BrokenPipeError";
}
