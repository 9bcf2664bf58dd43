// The three kinds of failure of a run, each with its exit code.

/** Exit codes, as docs/cli.md lists them. 3 is reserved for "not enough coverage to say". */
export const ExitCode = { success: 0, failure: 1, usage: 2, interrupted: 130, terminated: 143 } as const;

/** An invalid request of the user: exit 2. The message is one sentence that says what to do. */
export class UsageError extends Error {
  override readonly name = "UsageError";
  /** A word that the user may have meant, or where to read more. */
  readonly hint: string;

  constructor(message: string, hint = "") {
    super(message);
    this.hint = hint;
  }
}

/** An operation failed: exit 1. The message is a sentence that says what happened and what to do. */
export class FailureError extends Error {
  override readonly name = "FailureError";
}

/** The reader of our output is gone (`| head`): print nothing, exit 0. */
export class BrokenPipeError extends Error {
  override readonly name = "BrokenPipeError";
}
