// The aggregator's program: reads its settings, runs until it is told to stop.

import packageJson from "../../package.json" with { type: "json" };
import { createLog } from "../../lib/log.ts";
import { readAggregatorConfig } from "./config.ts";
import { runAggregator } from "./run-aggregator.ts";

const result = readAggregatorConfig(process.env, process.argv.slice(2));
switch (result.kind) {
  case "help":
    console.log(result.text);
    break;
  case "version":
    console.log(packageJson.version);
    break;
  case "problems":
    console.error(result.text);
    process.exitCode = 2;
    break;
  case "settings": {
    const stopping = new AbortController();
    // A second signal ends at once, as nothing handles it any more.
    for (const name of ["SIGTERM", "SIGINT"] as const) process.once(name, () => stopping.abort());
    const log = createLog("whotalks-aggregator", result.values.logLevel);
    try {
      await runAggregator(result.values, process.env, log, stopping.signal);
    } catch (error) {
      log.error({ err: error }, "the aggregator cannot go on");
      process.exitCode = 1;
    }
    break;
  }
}
