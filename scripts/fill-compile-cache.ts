// Strips the types of everything that `npm start` and the agent load, once, into Node's compile cache: a
// program that finds its sources stripped does not load the stripper, which takes 17 MiB for good. `npm run
// setup` runs it with the environment and the flags of `npm start`, on which the cache depends.

import { execFileSync } from "node:child_process";
import path from "node:path";

import { runTool } from "../lib/program/run-tool.ts";

const root = path.join(import.meta.dirname, "..");

const tool = {
  start: "npm run fill-compile-cache",
  summary: "Strips the types of what `npm start` and the agent load, once, into Node's compile cache.",
  flags: {},
};

await runTool(tool, process.argv.slice(2), async () => {
  // The programs' entry files run what they load, so each gets a process that exits at once.
  for (const program of ["cli/main.ts", "services/node-agent/main.ts"]) {
    const args = [...process.execArgv, path.join(root, program), "--version"];
    execFileSync(process.execPath, args, { stdio: ["ignore", "ignore", "inherit"] });
  }
  await import("../cli/run.ts");
  await import("../cli/local/start-local.ts");
  await import("../services/aggregator/serve/server.ts");
});
