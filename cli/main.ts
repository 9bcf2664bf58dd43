#!/usr/bin/env node
// The program `whotalks`, which kubectl runs as `kubectl whotalks` if it is installed as kubectl-whotalks.
// Reads the environment, runs the request, and converts the outcome to a sentence and an exit code.

import path from "node:path";
import { arrangeWords } from "./command/arrange-words.ts";
import { BrokenPipeError, ExitCode } from "./command/errors.ts";
import { escapeText } from "./text/escape-text.ts";
import { commandLineMistake, sentenceOf } from "./command/explain.ts";
import { buildProgram, type Request } from "./command/program.ts";
import { localSettings, querySettings } from "./command/settings.ts";
import { versionSettings } from "./command/version-settings.ts";
import { programVersion } from "../lib/program/version.ts";
import { processTerminal } from "./output/terminal.ts";

/** How long closing after an interrupt may take before the process exits anyway. */
const CLOSING_MS_MAX = 3000;

const name = programName(process.argv[1] ?? "whotalks");
const terminal = processTerminal(process.env);
const interrupt = new AbortController();
let signalExit: number | null = null;
// An interrupt is the normal end of a command that runs until interrupted, and an error for any other.
let endless = false;
onSignals();
process.exitCode = await main();
// Open handles (a server's last connection) must not keep a finished command alive. All output was written.
process.exit();

async function main(): Promise<number> {
  const program = buildProgram(name, programVersion, act);
  const words = process.argv.slice(2);
  try {
    if (words[0] === "__complete") {
      const { runCompletion } = await import("./completion/run-completion.ts");
      await runCompletion(words.slice(1), terminal, process.env);
      return ExitCode.success;
    }
    await program.parseAsync(arrangeWords(words), { from: "user" });
    return signalExit ?? ExitCode.success;
  } catch (error) {
    if (error instanceof BrokenPipeError) return ExitCode.success;
    if (signalExit !== null) return signalExit;
    const explained = sentenceOf(commandLineMistake(error), name, words);
    // What the user typed and what a server sent may contain anything.
    if (explained.sentence !== "") terminal.say(escapeText(explained.sentence));
    return explained.exitCode;
  }
}

async function act(request: Request): Promise<void> {
  const { command, words, flags } = request;
  if (command === "completion") {
    const { completionScript } = await import("./completion/scripts.ts");
    return terminal.write(completionScript(words));
  }
  if (command === "version") {
    const { printVersion } = await import("./version/print-version.ts");
    const settings = versionSettings(words, flags);
    return printVersion(settings, programVersion, terminal, process.env, interrupt.signal);
  }
  const settings = command === "local" ? localSettings(words, flags) : querySettings(command, words, flags);
  const { run } = await import("./run.ts");
  const title = `${name} ${command === "local" ? `local ${settings.subject}` : settings.subject}`;
  endless = settings.live || settings.subject === "watch";
  await run(settings, title, terminal, process.env, interrupt.signal);
}

function onSignals(): void {
  process.on("SIGINT", () => end(endless ? ExitCode.success : ExitCode.interrupted));
  process.on("SIGTERM", () => end(ExitCode.terminated));
}

// The first signal closes everything in order; the second exits at once.
function end(exitCode: number): void {
  if (signalExit !== null) process.exit(exitCode);
  signalExit = exitCode;
  interrupt.abort();
  setTimeout(() => process.exit(exitCode), CLOSING_MS_MAX).unref();
}

function programName(script: string): string {
  const base = path.basename(script).replace(/\.[cm]?[jt]s$/, "");
  return base.startsWith("kubectl-whotalks") ? "kubectl whotalks" : "whotalks";
}
