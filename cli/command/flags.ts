// Every flag of the command line: its form, its help text, and its group. settings.ts has their meaning.

import { readerChoices } from "../../lib/vocabulary/reader-names.ts";
import { Option } from "commander";
import { outcomeWords } from "../../lib/vocabulary/outcomes.ts";
import { formatForms } from "./formats.ts";
import { conntrackChoices } from "../../lib/vocabulary/conntrack-choices.ts";

/** The values of flags as typed. */
export interface Flags {
  readonly output?: string;
  readonly headers?: boolean;
  readonly showLabels?: boolean;
  readonly sort?: string;
  readonly sortBy?: string;
  readonly limit?: string;
  readonly client?: boolean;
  readonly once?: boolean;
  readonly watch?: boolean;
  readonly interval?: string;
  readonly initial?: boolean;
  readonly from?: readonly string[];
  readonly to?: readonly string[];
  readonly either?: readonly string[];
  readonly port?: readonly string[];
  readonly protocol?: readonly string[];
  readonly state?: readonly string[];
  readonly process?: readonly string[];
  readonly namespaceInode?: readonly string[];
  readonly outcome?: readonly string[];
  readonly open?: boolean;
  readonly anonymous?: boolean;
  readonly proc?: string;
  readonly byteOrder?: string;
  readonly reader?: string;
  readonly conntrack?: string;
  readonly events?: string;
  readonly listen?: string;
  readonly namespace?: string;
  readonly allNamespaces?: boolean;
  readonly selector?: string;
  readonly context?: string;
  readonly kubeconfig?: string;
  readonly whotalksNamespace?: string;
  readonly server?: string;
  readonly fromFile?: string;
  readonly timeout?: string;
}

/** The name of a flag as settings.ts knows it. */
export type FlagName = keyof Flags;

// Repeated flags accumulate, and each may have several comma-separated values.
function collect(value: string, previous: readonly string[] | undefined): readonly string[] {
  return [...(previous ?? []), ...value.split(",")];
}

function listFlag(form: string, words: string): Option {
  return new Option(form, words).argParser(collect);
}

const groups: ReadonlyArray<readonly [heading: string, flags: Partial<Record<FlagName, () => Option>>]> = [
  [
    "Output:",
    {
      output: () => new Option("-o, --output <format>", `one of ${formatForms.join(", ")} (default: table)`),
      headers: () => new Option("--no-headers", "print no column headers"),
      showLabels: () => new Option("--show-labels", "add the labels of pods as the last columns"),
      sort: () => new Option("--sort <column>", "sort by a column, such as open or last-seen"),
      sortBy: () =>
        new Option("--sort-by <path>", "sort by a field of the JSON, such as .lastSeen, or by a column"),
      limit: () => new Option("--limit <n>", "show at most this many"),
      client: () => new Option("--client", "the client's version only: nobody is asked"),
    },
  ],
  [
    "Live:",
    {
      once: () => new Option("--once", "print once and end"),
      watch: () => new Option("-w, --watch", "keep the table up to date until interrupted"),
      interval: () =>
        new Option("--interval <duration>", "time between two looks, such as 500ms, 2s, 1m (default: 1s)"),
      initial: () => new Option("--initial", "begin with the connections that are there already"),
    },
  ],
  [
    "Filters (several values: repeat the flag or use commas):",
    {
      from: () => listFlag("--from <endpoint>", "only where this is the client"),
      to: () => listFlag("--to <endpoint>", "only where this is the server, or was dialled"),
      either: () => listFlag("--either <endpoint>", "only where this is one of both"),
      port: () => listFlag("--port <port>", "only this server port"),
      protocol: () =>
        listFlag(
          "--protocol <protocol>",
          "only this protocol, by name or number: tcp, udp, gre, 47, unix, netlink, packet …, or all (default: those of the internet)",
        ),
      state: () => listFlag("--state <state>", "only in this state: established, time-wait, close-wait …"),
      process: () => listFlag("--process <name>", "only where a process of this name is at either end"),
      namespaceInode: () =>
        listFlag(
          "--namespace-inode <inode>",
          "only in the network namespace of this inode (readlink /proc/PID/ns/net)",
        ),
      outcome: () => listFlag("--outcome <outcome>", `only: ${outcomeWords.join(", ")}`),
      open: () => new Option("--open", "leave closed connections out"),
      anonymous: () =>
        new Option("--anonymous", "put in unix socket pairs without a name, and other unix sockets"),
    },
  ],
  [
    "Cluster:",
    {
      namespace: () =>
        new Option(
          "-n, --namespace <namespace>",
          "only where a pod of this namespace is at either end (default: the context's, unless --server is given)",
        ),
      allNamespaces: () => new Option("-A, --all-namespaces", "in every namespace"),
      selector: () =>
        new Option(
          "-l, --selector <labels>",
          "only where a pod with these labels is at either end: app=web,tier!=db",
        ),
    },
  ],
  [
    "This machine:",
    {
      proc: () => new Option("--proc <dir>", "read another mount of proc, or a saved tree (default: /proc)"),
      byteOrder: () =>
        new Option("--byte-order <order>", "of the machine that wrote the tables: little or big"),
      reader: () =>
        new Option("--reader <reader>", `which reader reads the sockets: ${readerChoices.join(", ")}`),
      conntrack: () =>
        new Option(
          "--conntrack <way>",
          `how conntrack is read: ${conntrackChoices.join(", ")} (default: auto, the best that works)`,
        ),
      events: () =>
        new Option(
          "--events <way>",
          "whether the kernel's tracepoint reports TCP sockets: auto (where it can), off (nothing is attached)",
        ),
      listen: () =>
        new Option(
          "--listen <address:port>",
          "serve the query API there, or none (default: 127.0.0.1:4180, or a free port where that is taken)",
        ),
    },
  ],
  [
    "Source:",
    {
      context: () => new Option("--context <name>", "use this context of the kubeconfig"),
      kubeconfig: () =>
        new Option("--kubeconfig <file>", "use this kubeconfig (default: $KUBECONFIG, ~/.kube/config)"),
      whotalksNamespace: () =>
        new Option(
          "--whotalks-namespace <namespace>",
          "where whotalks is installed (default: it is looked for)",
        ),
      server: () => new Option("--server <host:port>", "ask this whotalks server"),
      fromFile: () =>
        new Option("--from-file <file>", "read a list that -o json printed; - for standard input"),
      timeout: () =>
        new Option("--timeout <duration>", "give up where nothing comes for this long (default: 30s)"),
    },
  ],
];

/** Creates the options of all flags, in groups. */
export function allFlagOptions(): Option[] {
  return optionsWhere(() => true);
}

/** Creates the options of the given flags, in groups. */
export function flagOptions(wanted: ReadonlySet<FlagName>): Option[] {
  return optionsWhere((name) => wanted.has(name));
}

function optionsWhere(isWanted: (name: FlagName) => boolean): Option[] {
  return groups.flatMap(([heading, flags]) =>
    (Object.keys(flags) as FlagName[]).filter(isWanted).map((name) => flags[name]!().helpGroup(heading)),
  );
}
