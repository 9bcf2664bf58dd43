// Converts a command and its flags to one frozen object. Pure: every mistake and every invalid combination is
// a UsageError here, before anything starts.

import type { EndpointSelector, Filter } from "../../lib/gen/whotalks/v1/query.ts";
import { parseDuration, writeDuration } from "../../lib/duration.ts";
import { didYouMean } from "../../lib/program/suggest.ts";
import { knownWord, listedWord, parseNumber } from "../../lib/program/typed-values.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { openFilter, parseFilter, withProtocolScope } from "./filter.ts";
import type { ClusterChoice } from "./cluster-choice.ts";
import { commandNamed, isSubject, type Subject, subjects } from "./command-names.ts";
import { looksLikeEndpoint, parseEndpointWords } from "./endpoint-words.ts";
import type { FlagName, Flags } from "./flags.ts";
import { type Format, isTable, parseFormat, parseSortPath, type Sort } from "./formats.ts";
import { normalizeReader, readerChoices } from "../../lib/vocabulary/reader-names.ts";
import type { ListenAddress, LocalOptions } from "./local-options.ts";
import { viewColumnKeys } from "../views/views.ts";
import { eventsChoices, normalizeEventsChoice } from "../../lib/vocabulary/events-modes.ts";
import { conntrackChoices, normalizeConntrackChoice } from "../../lib/vocabulary/conntrack-choices.ts";

/** The source of answers. */
export type Source =
  | { readonly kind: "local"; readonly options: LocalOptions }
  | { readonly kind: "server"; readonly address: string }
  | {
      readonly kind: "cluster";
      readonly choice: Omit<ClusterChoice, "environment">;
      /** Whether to restrict the answer to the context's namespace, as kubectl does if none is named. */
      readonly namespaced: boolean;
    }
  | { readonly kind: "file"; readonly path: string };

/** A source that is a server. */
export type ServerSource = Extract<Source, { kind: "server" | "cluster" }>;

/** What to do. */
export interface Settings {
  readonly subject: Subject;
  readonly source: Source;
  readonly filter: Filter;
  /** Endpoints that were typed as words: either end is one of them. */
  readonly endpoints: readonly EndpointSelector[];
  /** 0 means all. */
  readonly limit: number;
  readonly sort: Sort | null;
  readonly format: Format;
  readonly headers: boolean;
  /** Whether tables have the labels of pods. */
  readonly labels: boolean;
  /** Whether to refresh the answer until interrupted. */
  readonly live: boolean;
  readonly intervalMs: number;
  readonly timeoutMs: number;
  /** watch: whether to print existing connections first. */
  readonly initial: boolean;
}

// RFC 1123 label: the names of namespaces that Kubernetes allows.
const namespaceName = /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/;
const INTERVAL_MS_DEFAULT = 1000;
const INTERVAL_MS_MIN = 100;
const INTERVAL_MS_MAX = 3_600_000;
const TIMEOUT_MS_DEFAULT = 30_000;
const TIMEOUT_MS_MIN = 1;
const LIMIT_MAX = 2 ** 32 - 1;
const LISTEN_DEFAULT: ListenAddress = { host: "127.0.0.1", port: 4180, elseAnyPort: true };

const allFilters: readonly FlagName[] = [
  "from",
  "to",
  "either",
  "port",
  "protocol",
  "state",
  "process",
  "namespaceInode",
  "outcome",
  "open",
  "anonymous",
];
const listFlags: readonly FlagName[] = ["output", "headers", "showLabels", "sort", "sortBy", "limit"];

/** The flags that apply to a subject, whatever its source. */
export const subjectFlags: { readonly [Key in Subject]: readonly FlagName[] } = {
  edges: [...listFlags, ...allFilters],
  connections: [...listFlags, ...allFilters],
  listeners: [...listFlags, "to", "either", "port", "protocol", "process", "namespaceInode"],
  unix: [...listFlags, ...allFilters.filter((name) => name !== "port" && name !== "protocol")],
  coverage: ["output", "headers", "sort", "sortBy"],
  watch: ["output", "headers", "showLabels", "initial", ...allFilters],
};

/** The flags of `local` about how this machine is read. */
export const localFlags: readonly FlagName[] = [
  "once",
  "interval",
  "proc",
  "byteOrder",
  "reader",
  "conntrack",
  "events",
  "listen",
  "timeout",
];

/** Filters that only a cluster can answer. */
const clusterFilters: readonly FlagName[] = ["namespace", "allNamespaces", "selector"];
/** The flags that choose a cluster. */
export const clusterFlags: readonly FlagName[] = ["context", "kubeconfig", "whotalksNamespace"];
const listSourceFlags: readonly FlagName[] = [
  "watch",
  "interval",
  ...clusterFilters,
  ...clusterFlags,
  "server",
  "fromFile",
  "timeout",
];

/** The flags of the other commands that choose the source of answers. */
export const sourceFlags: { readonly [Key in Subject]: readonly FlagName[] } = {
  edges: listSourceFlags,
  connections: listSourceFlags,
  listeners: listSourceFlags,
  unix: listSourceFlags,
  coverage: ["watch", "interval", ...clusterFlags, "server", "fromFile", "timeout"],
  watch: [...clusterFilters, ...clusterFlags, "server", "timeout"],
};

/** The flag as it is typed: namespaceInode → --namespace-inode. */
function typedFlag(name: FlagName): string {
  if (name === "headers") return "--no-headers";
  return `--${name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`;
}

/** Returns the settings of `whotalks local [SUBJECT] [ENDPOINT …]`. */
export function localSettings(words: readonly string[], flags: Flags): Settings {
  const { subject, endpointWords } = parseSubject(words);
  const known = new Set([...subjectFlags[subject], ...localFlags]);
  // Commander sets `headers: true` if --no-headers was not typed.
  const stray = (Object.keys(flags) as FlagName[]).find(
    (name) => flags[name] !== undefined && name !== "headers" && !known.has(name),
  );
  if (stray !== undefined) throw new UsageError(`${typedFlag(stray)} has no meaning for ${subject}.`);
  const output = parseOutput(subject, flags);
  const endpoints = parseEndpoints(subject, endpointWords, true);
  const intervalMs = parseInterval(flags.interval);
  if (flags.once === true && subject === "watch") {
    throw new UsageError(
      "watch does not end by itself: use connections --once for those that are there now.",
    );
  }
  const live = flags.once !== true && isTable(output.format) && subject !== "watch";
  return Object.freeze<Settings>({
    ...output,
    subject,
    source: {
      kind: "local",
      options: {
        procDir: parseDirectory(flags.proc),
        byteOrder:
          flags.byteOrder === undefined
            ? undefined
            : listedWord("--byte-order", flags.byteOrder, ["little", "big"] as const),
        reader:
          flags.reader === undefined
            ? "auto"
            : knownWord("--reader", flags.reader, normalizeReader, readerChoices),
        conntrack:
          flags.conntrack === undefined
            ? undefined
            : knownWord("--conntrack", flags.conntrack, normalizeConntrackChoice, conntrackChoices),
        events:
          flags.events === undefined
            ? undefined
            : knownWord("--events", flags.events, normalizeEventsChoice, eventsChoices),
        intervalMs,
        listen: parseListen(flags.listen),
      },
    },
    filter: subjectFilter(subject, endpoints, flags, true),
    endpoints,
    live,
    intervalMs,
    timeoutMs: parseTimeout(flags.timeout),
    initial: flags.initial === true,
  });
}

/** Returns the settings of `whotalks SUBJECT [ENDPOINT …]`. */
export function querySettings(subject: Subject, words: readonly string[], flags: Flags): Settings {
  const output = parseOutput(subject, flags);
  const endpoints = parseEndpoints(subject, words, false);
  const live = flags.watch === true;
  if (live && !isTable(output.format)) {
    throw new UsageError(
      `-w keeps a table up to date and cannot print ${output.format.name}: use watch -o ${output.format.name} for a stream.`,
    );
  }
  if (flags.interval !== undefined && !live)
    throw new UsageError("--interval says how often -w looks: add -w.");
  return Object.freeze<Settings>({
    ...output,
    subject,
    source: querySource(subject, words, flags),
    filter: clusterFilter(subjectFilter(subject, endpoints, flags, false), flags),
    endpoints,
    live,
    intervalMs: parseInterval(flags.interval),
    timeoutMs: parseTimeout(flags.timeout),
    initial: flags.initial === true,
  });
}

function querySource(subject: Subject, words: readonly string[], flags: Flags): Source {
  if (flags.fromFile !== undefined) {
    const refused = givenFlag(flags, [
      ...allFilters,
      ...clusterFilters,
      ...clusterFlags,
      "server",
      "watch",
      "timeout",
    ]);
    if (refused !== undefined) {
      throw new UsageError(
        `${typedFlag(refused)} cannot be used with --from-file: a saved list is shown as it is.`,
      );
    }
    if (words[0] !== undefined) {
      throw new UsageError(`'${words[0]}' cannot be used with --from-file: a saved list is shown as it is.`);
    }
    if (flags.fromFile === "") throw new UsageError("--from-file takes a file, or - for standard input.");
    return { kind: "file", path: flags.fromFile };
  }
  const namespaced = subject !== "coverage" && flags.namespace === undefined && flags.allNamespaces !== true;
  return serverSource(flags, namespaced);
}

function givenFlag(flags: Flags, names: readonly FlagName[]): FlagName | undefined {
  return names.find((name) => flags[name] !== undefined && flags[name] !== false);
}

/** Returns the server that the flags choose: an address, or a cluster. Throws UsageError. */
export function serverSource(flags: Flags, namespaced: boolean): ServerSource {
  if (flags.server === undefined) {
    const { kubeconfig, context, whotalksNamespace } = flags;
    return { kind: "cluster", choice: { kubeconfig, context, namespace: whotalksNamespace }, namespaced };
  }
  const refused = givenFlag(flags, clusterFlags);
  if (refused !== undefined) {
    throw new UsageError(`${typedFlag(refused)} cannot be used with --server, which says where to ask.`);
  }
  parseAddressAndPort("--server", flags.server, 1);
  return { kind: "server", address: flags.server };
}

// The first word is the subject, unless it can only be an endpoint.
function parseSubject(words: readonly string[]): { subject: Subject; endpointWords: readonly string[] } {
  const [word, ...endpointWords] = words;
  if (word === undefined || looksLikeEndpoint(word)) return { subject: "edges", endpointWords: words };
  const subject = commandNamed(word);
  if (subject === null || !isSubject(subject)) {
    throw new UsageError(`local shows ${subjects.join(", ")}, not '${word}'.`, didYouMean(word, subjects));
  }
  return { subject, endpointWords };
}

function parseEndpoints(
  subject: Subject,
  words: readonly string[],
  bareIsProcess: boolean,
): readonly EndpointSelector[] {
  const [word] = words;
  if (subject === "coverage" && word !== undefined)
    throw new UsageError(`coverage takes no endpoint, and '${word}' is one too many.`);
  return parseEndpointWords(words, bareIsProcess);
}

function parseOutput(
  subject: Subject,
  flags: Flags,
): Pick<Settings, "format" | "headers" | "labels" | "sort" | "limit"> {
  const format = parseFormat(flags.output ?? "table");
  if (subject !== "edges" && (format.name === "dot" || format.name === "mermaid"))
    throw new UsageError(`-o ${format.name} draws edges, not ${subject}.`);
  if (flags.showLabels === true && format.name !== "table" && format.name !== "wide")
    throw new UsageError(`--show-labels adds columns to a table: -o ${format.name} has its own.`);
  return {
    format,
    headers: flags.headers !== false,
    labels: flags.showLabels === true,
    sort: parseSort(subject, flags),
    limit: flags.limit === undefined ? 0 : parseNumber("--limit", flags.limit, 1, LIMIT_MAX),
  };
}

// --sort-by takes what kubectl's does, and a column too.
function parseSort(subject: Subject, { sort, sortBy }: Flags): Sort | null {
  if (subject === "watch") return null;
  const columns = viewColumnKeys(subject);
  if (sort !== undefined && sortBy !== undefined)
    throw new UsageError("--sort and --sort-by cannot be used together.");
  if (sort !== undefined) return { column: listedWord("--sort", sort, columns) };
  if (sortBy === undefined) return null;
  return columns.includes(sortBy) ? { column: sortBy } : { path: parseSortPath(sortBy), typed: sortBy };
}

// The unix view shows the connections of one protocol; the other views show the internet's.
function subjectFilter(
  subject: Subject,
  endpoints: readonly EndpointSelector[],
  flags: Flags,
  bareIsProcess: boolean,
): Filter {
  if (subject === "coverage") return openFilter;
  const filter = parseFilter(flags, bareIsProcess);
  if (subject === "unix") return { ...filter, protocols: ["unix"] };
  return withProtocolScope(filter, endpoints, flags);
}

function clusterFilter(filter: Filter, flags: Flags): Filter {
  const { namespace, allNamespaces, selector = "" } = flags;
  if (namespace === undefined) return { ...filter, labels: selector };
  if (allNamespaces === true) throw new UsageError("-n and -A cannot be used together.");
  if (!namespaceName.test(namespace)) {
    throw new UsageError(`-n takes a namespace: lower-case letters, digits and '-', not '${namespace}'.`);
  }
  return { ...filter, labels: selector, namespaces: [namespace] };
}

function parseInterval(text: string | undefined): number {
  return parseTime("--interval", text, INTERVAL_MS_DEFAULT, INTERVAL_MS_MIN);
}

/** Parses --timeout. */
export function parseTimeout(text: string | undefined): number {
  return parseTime("--timeout", text, TIMEOUT_MS_DEFAULT, TIMEOUT_MS_MIN);
}

function parseTime(flag: string, text: string | undefined, defaultMs: number, minMs: number): number {
  if (text === undefined) return defaultMs;
  const ms = parseDuration(text);
  if (ms === null) throw new UsageError(`${flag} takes a duration such as 500ms, 2s or 1m, not '${text}'.`);
  if (ms < minMs || ms > INTERVAL_MS_MAX) {
    throw new UsageError(
      `${flag} takes ${writeDuration(minMs)} to ${writeDuration(INTERVAL_MS_MAX)}, not '${text}'.`,
    );
  }
  return ms;
}

function parseDirectory(text: string | undefined): string {
  if (text === "") throw new UsageError("--proc takes a directory.");
  return text ?? "/proc";
}

function parseListen(text: string | undefined): ListenAddress | null {
  if (text === undefined) return LISTEN_DEFAULT;
  if (text === "none") return null;
  return { ...parseAddressAndPort("--listen", text, 0), elseAnyPort: false };
}

function parseAddressAndPort(flag: string, text: string, portMin: number): { host: string; port: number } {
  const match = /^(?:\[([\da-fA-F:.%\w]+)\]|([^\s:/[\]]+)):(\d{1,5})$/.exec(text);
  const port = Number(match?.[3]);
  if (match === null || port < portMin || port > 65_535) {
    const form = flag === "--listen" ? "127.0.0.1:4180, [::1]:0 or none" : "127.0.0.1:4180 or [::1]:4180";
    throw new UsageError(`${flag} takes an address and a port such as ${form}, not '${text}'.`);
  }
  return { host: match[1] ?? match[2]!, port };
}
