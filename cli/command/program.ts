// The commands and their help. The actions are passed in, so that the documentation is generated from the same
// program that runs.

import { Argument, Command, type Option } from "commander";
import { flagOptions, type FlagName, type Flags } from "./flags.ts";
import { selectorForms } from "./selectors.ts";
import { type CommandName, commandNames, otherNames, subjects } from "./command-names.ts";
import { localFlags, sourceFlags, subjectFlags } from "./settings.ts";
import { versionFlags } from "./version-settings.ts";

/** What was requested. */
export interface Request {
  readonly command: CommandName;
  /** The words after the command. */
  readonly words: readonly string[];
  readonly flags: Flags;
}

interface CommandWords {
  readonly summary: string;
  readonly description: string;
  /** Lines of examples; `%` is replaced by the program's name. */
  readonly examples: readonly string[];
}

const commandWords: { readonly [Key in CommandName]: CommandWords } = {
  local: {
    summary: "read this machine: all in one process, nothing to install",
    description:
      "Reads this machine's kernel tables and shows who talks to what. A table on a terminal is kept up to date until " +
      "interrupted; in a pipe, new and changed rows are printed as lines. What is no table is printed once. " +
      "Without root the processes of other users have no names.",
    examples: [
      "# Who talks to what on this machine, live",
      "% local",
      "# Every connection, once, as JSON",
      "% local connections --once -o json",
      "# Who talks to PostgreSQL, and who to the outside",
      "% local connections --port 5432",
      "% local connections --to external",
      "# Tables saved from another machine",
      "% local --once --proc ./saved-proc",
    ],
  },
  edges: {
    summary: "connections added up: who talks to what (the default)",
    description: "Lists edges: connections added up by client, server, protocol and server port.",
    examples: [
      "# Who talks to what in the whole cluster",
      "% edges -A",
      "# Who talks with a workload, either way",
      "% edges -n kube-system deploy/coredns",
      "# Who talks to a service, and from where",
      "% edges -n shop --to svc/db -o wide",
      "# What a server at hand knows, busiest first",
      "% edges --server 127.0.0.1:4180 --sort open",
    ],
  },
  connections: {
    summary: "every connection, live and lately closed",
    description:
      "Lists connections, live and lately closed, with the process at both ends where it is known.",
    examples: [
      "# What a process has open",
      "% connections --server 127.0.0.1:4180 --either process/nginx --open",
      "# Sockets, queues and timers too, kept up to date",
      "% connections --server 127.0.0.1:4180 -o wide -w",
      "# A saved list as a table",
      "% connections --from-file connections.json",
    ],
  },
  listeners: {
    summary: "sockets that accept",
    description:
      "Lists listeners: listening TCP and unix sockets, unconnected UDP sockets, raw and packet sockets.",
    examples: ["# Who listens on port 80 and 443", "% listeners --server 127.0.0.1:4180 --port 80,443"],
  },
  unix: {
    summary: "connections over unix sockets",
    description: "Lists connections over unix sockets, with the path that the server is bound to.",
    examples: ["# Who uses Docker's socket", "% unix --server 127.0.0.1:4180 --to /run/docker.sock"],
  },
  coverage: {
    summary: "what was read, how lately and how completely",
    description:
      "Shows what every answer rests on: per node the reader, the network namespaces and sockets that were read, what " +
      "could not be read and why. The reasons are printed as sentences on standard error.",
    examples: ["# Is anything missing?", "% coverage --server 127.0.0.1:4180"],
  },
  watch: {
    summary: "connections as they are opened, change and close",
    description: "Prints a line for each connection that is opened, changes or closes, until interrupted.",
    examples: ["# New connections to the outside", "% watch --server 127.0.0.1:4180 --to external"],
  },
  version: {
    summary: "the versions of the client, the server and the agents",
    description:
      "Prints the versions of the client, the server and the agents; -o wide prints each node's. Standard error says " +
      "what to do where they differ.",
    examples: ["# Of the client only", "% version --client"],
  },
  completion: {
    summary: "completion for a shell: bash, zsh, fish",
    description:
      "Prints the script that completes commands, flags, namespaces, workloads and pods in a shell. Names come from the " +
      "cluster. `completion kubectl` prints the program by which kubectl's own completion completes 'kubectl whotalks'.",
    examples: [
      "# In ~/.bashrc",
      "source <(kubectl-whotalks completion bash)",
      "# For 'kubectl whotalks', in a directory of the PATH",
      "% completion kubectl > ~/.local/bin/kubectl_complete-whotalks",
      "chmod +x ~/.local/bin/kubectl_complete-whotalks",
    ],
  },
};

function commandFlags(name: CommandName): ReadonlySet<FlagName> {
  if (name === "version") return new Set(versionFlags);
  if (name === "completion") return new Set();
  if (name === "local")
    return new Set([...subjects.flatMap((subject) => subjectFlags[subject]), ...localFlags]);
  return new Set([...subjectFlags[name], ...sourceFlags[name]]);
}

/** A command in one line. */
export function commandSummary(name: CommandName): string {
  return commandWords[name].summary;
}

/** Creates the options of a command, in groups. */
export function commandOptions(name: CommandName): Option[] {
  const options = flagOptions(commandFlags(name));
  const output = options.find(({ long }) => long === "--output");
  if (name === "version" && output !== undefined)
    output.description = "one of text, wide, json, yaml (default: text)";
  return options;
}

/**
 * Creates the program. `name` is what the user typed ("kubectl whotalks"); `act` runs the request. Mistakes in
 * the command line are thrown as commander's CommanderError, and nothing is printed for them.
 */
export function buildProgram(
  name: string,
  version: string,
  act: (request: Request) => Promise<void>,
): Command {
  const program = new Command(name);
  program
    .description(
      "Who talks to what: ss, lsof -i and conntrack for a whole Kubernetes cluster, or for one machine.",
    )
    .usage("[command] [ENDPOINT…] [flags]")
    .version(version, "-V, --version", "print the version")
    .helpOption("-h, --help", "show help")
    .helpCommand("help [command]", "show a command's help")
    .exitOverride()
    .configureHelp({ subcommandTerm: (command) => allNames(command.name()).join(", ") })
    .configureOutput({ outputError: () => {} });
  for (const command of commandNames) addCommand(program, name, command, act);
  return program.addHelpText(
    "after",
    `\nExamples:\n${exampleText(name, programExamples)}\n\nUse "${name} <command> --help" for a command's flags.`,
  );
}

const programExamples: readonly string[] = [
  "# Who talks to what in the whole cluster",
  "% -A",
  "# Who talks with a workload or a pod, either way",
  "% -n kube-system deploy/coredns",
  "% connections -n shop pod/web-0",
  "# Who talks to what on this machine, live",
  "% local",
  "# The same, once, in a form for scripts",
  "% local --once -o json",
];

function addCommand(
  program: Command,
  programName: string,
  name: CommandName,
  act: (request: Request) => Promise<void>,
): void {
  const words = commandWords[name];
  const command = program
    .command(name)
    .summary(words.summary)
    .description(words.description)
    .usage(usageOf(name))
    .helpOption("-h, --help", "show help");
  const flags = commandFlags(name);
  for (const option of commandOptions(name)) command.addOption(option);
  if (flags.has("to")) command.addHelpText("after", `\nEndpoints:\n${endpointText(name === "local")}`);
  command.addHelpText("after", `\nExamples:\n${exampleText(programName, words.examples)}`);
  command
    .addArgument(new Argument("[words...]"))
    .action((given: readonly string[], values: Flags) => act({ command: name, words: given, flags: values }));
}

function allNames(command: string): readonly string[] {
  const others = Object.entries(otherNames).find(([name]) => name === command)?.[1] ?? [];
  return [command, ...others];
}

function usageOf(name: CommandName): string {
  if (name === "local") return `[${subjects.join("|")}] [ENDPOINT…] [flags]`;
  if (name === "completion") return "<bash|zsh|fish|kubectl>";
  return name === "coverage" || name === "version" ? "[flags]" : "[ENDPOINT…] [flags]";
}

function endpointText(bareIsProcess: boolean): string {
  const lines = bareIsProcess ? [...selectorForms, "NAME (of a process)"] : selectorForms;
  return lines.map((line) => `  ${line}`).join("\n");
}

function exampleText(name: string, lines: readonly string[]): string {
  return lines.map((line) => `  ${line.replace(/^%/, name)}`).join("\n");
}
