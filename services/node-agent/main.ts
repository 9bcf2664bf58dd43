// The node agent's program: reads its settings, runs until SIGTERM or SIGINT. The only file that reads the
// environment.

import { runProgram } from "../../lib/program/run-program.ts";
import { readAgentConfig } from "./config.ts";
import { runAgent } from "./run-agent.ts";

process.exitCode = await runProgram(
  "whotalks-agent",
  readAgentConfig(process.env, process.argv.slice(2)),
  (config, log, signal) => runAgent(config, process.env, log, signal),
);
