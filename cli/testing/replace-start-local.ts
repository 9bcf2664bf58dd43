// Loaded before the command line by tests: replaces cli/local/start-local.ts by a pipeline whose answers come
// from a canned server, so that `local` can be tested with known answers.

import { registerHooks } from "node:module";

const standIn = new URL("canned-local.ts", import.meta.url).href;

registerHooks({
  resolve: (specifier, context, next) =>
    specifier.endsWith("/local/start-local.ts")
      ? { url: standIn, shortCircuit: true }
      : next(specifier, context),
});
