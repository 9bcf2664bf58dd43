// Replaces cli/local/start-local.ts in tests: the pipeline's API is a canned server in the test's own process.

import { connect } from "../ask/ask.ts";
import type { LocalOptions } from "../command/local-options.ts";
import type { LocalPipeline } from "../local/local-pipeline.ts";

/** The canned server answers at once or never. */
const CANNED_TIMEOUT_MS = 10_000;

/**
 * Starts nothing; the address comes from the environment. Prints its options, and when it closes, to standard
 * error.
 */
export function startLocal(options: LocalOptions): Promise<LocalPipeline> {
  if (options.procDir === "/nowhere") return Promise.reject(new Error("/nowhere is no proc filesystem"));
  if (process.env["CANNED_VERBOSE"] === "1") process.stderr.write(`started ${JSON.stringify(options)}\n`);
  const address = process.env["CANNED_LOCAL"] ?? "";
  return Promise.resolve({
    address,
    ask: (signal) => connect(address, CANNED_TIMEOUT_MS, signal),
    firstPass: Promise.resolve(),
    close: () => {
      if (process.env["CANNED_VERBOSE"] === "1") process.stderr.write("closed\n");
      return Promise.resolve();
    },
  });
}
