// Converts the flags of `version` to its settings.

import { listedWord } from "../../lib/program/typed-values.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import type { FlagName, Flags } from "./flags.ts";
import { clusterFlags, parseTimeout, type ServerSource, serverSource } from "./settings.ts";

/** How `version` prints. */
const versionFormats = ["text", "wide", "json", "yaml"] as const;

/** What `version` asks and how it prints it. */
export interface VersionSettings {
  /** Null if nobody is asked. */
  readonly source: ServerSource | null;
  readonly timeoutMs: number;
  readonly format: (typeof versionFormats)[number];
}

/** The flags of `version`. */
export const versionFlags: readonly FlagName[] = ["output", "client", ...clusterFlags, "server", "timeout"];

/** Returns the settings of `whotalks version`. Throws UsageError. */
export function versionSettings(words: readonly string[], flags: Flags): VersionSettings {
  if (words[0] !== undefined)
    throw new UsageError(`version takes no words, and '${words[0]}' is one too many.`);
  return Object.freeze<VersionSettings>({
    source: flags.client === true ? null : serverSource(flags, false),
    timeoutMs: parseTimeout(flags.timeout),
    format: flags.output === undefined ? "text" : listedWord("-o", flags.output, versionFormats),
  });
}
