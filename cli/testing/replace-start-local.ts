// Loaded before the command line by tests: puts a pipeline that has its answers from a canned server in the
// place of cli/local/start-local.ts, so that `local` can be tested with answers that are known.

import { registerHooks } from "node:module";

const standIn = new URL("canned-local.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith("/local/start-local.ts")
      ? { url: standIn, shortCircuit: true }
      : next(specifier, context),
});
