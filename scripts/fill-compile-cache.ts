// Strips the types of all that `npm start` and the agent load, once, into Node's compile cache: a program that
// finds them stripped does without the stripper, which takes 17 MiB and stays. Run by `npm run setup` with the
// environment and the flags of `npm start`, by which the cache is kept.

import { execFileSync } from "node:child_process";
import path from "node:path";

const root = path.join(import.meta.dirname, "..");

// The programs' first files run what they load: each in a process of its own that ends at once.
for (const program of ["cli/main.ts", "services/node-agent/main.ts"]) {
  const args = [...process.execArgv, path.join(root, program), "--version"];
  execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
}
await import("../cli/run.ts");
await import("../cli/local/start-local.ts");
await import("../services/aggregator/serve/server.ts");
