// What the programs of the cluster have in common from their start to their end: settings read, help given,
// problems told, a log made, signals turned into an end. Their main.ts files call it with the process's own
// environment.

import packageJson from "../../package.json" with { type: "json" };
import type { Log } from "./log.ts";
import type { LogLevel } from "../vocabulary/log-levels.ts";
import { createLog } from "./log.ts";
import type { SettingsResult } from "./program-settings.ts";

/** Exit code of a program that was started with settings that cannot be used. */
const EXIT_USAGE = 2;

/**
 * Runs a program until SIGTERM or SIGINT; a second signal ends at once. Resolves with its exit code: 0, 1
 * where it could not go on, 2 where its settings are not usable.
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
      console.log(packageJson.version);
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
