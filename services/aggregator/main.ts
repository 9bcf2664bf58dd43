// The aggregator's program: reads its settings and runs until it is stopped. The only file that reads the
// environment.

import { runProgram } from "../../lib/program/run-program.ts";
import { readAggregatorConfig } from "./config.ts";
import { runAggregator } from "./run-aggregator.ts";

process.exitCode = await runProgram(
  "whotalks-aggregator",
  readAggregatorConfig(process.env, process.argv.slice(2)),
  (config, log, signal) => runAggregator(config, process.env, log, signal),
);
