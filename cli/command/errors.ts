// How a run can end, each with its exit code. A mistake of the user is a UsageError of
// lib/program/usage-error.ts.

import { EXIT_USAGE } from "../../lib/program/usage-error.ts";

/** Exit codes, as docs/cli.md lists them. 3 is reserved for "not enough coverage to say". */
export const ExitCode = {
  success: 0,
  failure: 1,
  usage: EXIT_USAGE,
  interrupted: 130,
  terminated: 143,
} as const;

/** An operation failed: exit 1. The message is a sentence that says what happened and what to do. */
export class FailureError extends Error {
  override readonly name = "FailureError";
}

/** The reader of our output is gone (`| head`): print nothing, exit 0. */
export class BrokenPipeError extends Error {
  override readonly name = "BrokenPipeError";
}
