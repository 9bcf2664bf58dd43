// The shared main function of the cluster's programs: reads settings, prints help, reports problems, creates
// the log, handles signals. Their main.ts files call it with the process's environment.

import type { Log } from "./log.ts";
import type { LogLevel } from "../vocabulary/log-levels.ts";
import { createLog } from "./log.ts";
import type { SettingsResult } from "./program-settings.ts";
import { EXIT_USAGE } from "./usage-error.ts";
import { programVersion } from "./version.ts";

/**
 * Runs a program until SIGTERM or SIGINT; a second signal ends it at once. Resolves with its exit code: 0, 1
 * if it failed, 2 if its settings are unusable.
 */
export async function runProgram<Config extends { readonly logLevel: LogLevel }>(
  name: string,
  settings: SettingsResult<Config>,
  run: (config: Readonly<Config>, log: Log, signal: AbortSignal) => Promise<void>,
): Promise<number> {
  switch (settings.kind) {
    case "help":
      console.log(settings.text);
      return 0;
    case "version":
      console.log(programVersion);
      return 0;
    case "problems":
      console.error(settings.text);
      return EXIT_USAGE;
    case "settings": {
      const stopping = new AbortController();
      for (const signal of ["SIGTERM", "SIGINT"] as const) process.once(signal, () => stopping.abort());
      const log = createLog(name, settings.values.logLevel);
      try {
        await run(settings.values, log, stopping.signal);
        return 0;
      } catch (error) {
        log.error({ err: error }, `${name} cannot go on`);
        return 1;
      }
    }
  }
}
