// The node agent's program: reads its settings, runs until it is told to stop.

import packageJson from "../../package.json" with { type: "json" };
import { createLog } from "../../lib/log.ts";
import { readAgentConfig } from "./config.ts";
import { runAgent } from "./run-agent.ts";

const result = readAgentConfig(process.env, process.argv.slice(2));
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
    const log = createLog("whotalks-agent", result.values.logLevel);
    try {
      await runAgent(result.values, process.env, log, stopping.signal);
    } catch (error) {
      log.error({ err: error }, "the agent cannot go on");
      process.exitCode = 1;
    }
    break;
  }
}
