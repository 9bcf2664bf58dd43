// The command line's pipeline on one screen: settings → source → answer → printer.

import type { Asker, AskOptions } from "./ask/ask.ts";
import { withServer } from "./cluster/with-server.ts";
import type { Answer } from "./ask/answer.ts";
import type { ClusterChoice } from "./command/cluster-choice.ts";
import type { ClusterConnection } from "./cluster/connect-cluster.ts";
import { UsageError } from "../lib/program/usage-error.ts";
import { FailureError } from "./command/errors.ts";
import type { LocalPipeline } from "./local/local-pipeline.ts";
import { withEndpoints } from "./command/endpoint-words.ts";
import { isProtocolScope } from "./command/filter.ts";
import { isTable } from "./command/formats.ts";
import { printLive } from "./print/print-live.ts";
import { printOnce } from "./print/print-once.ts";
import { printWatch } from "./print/print-watch.ts";
import { readListFile } from "./ask/read-list-file.ts";
import type { Settings, Source } from "./command/settings.ts";
import type { Terminal } from "./output/terminal.ts";
import { views } from "./views/views.ts";
import type { View, ViewName } from "./views/view.ts";

/** Executes the settings. Ends early, without an error, when the signal is aborted. */
export async function run(
  settings: Settings,
  title: string,
  terminal: Terminal,
  environment: ClusterChoice["environment"],
  signal: AbortSignal,
): Promise<void> {
  const { source } = settings;
  if (source.kind === "file") return runFile(source.path, settings, title, terminal, signal);
  if (source.kind === "local") return runLocal(source, settings, title, terminal, signal);
  const { timeoutMs } = settings;
  return withServer(source, { timeoutMs, environment, signal }, async (asker, cluster) => {
    if (cluster === null) return show(asker, settings, title, terminal, signal);
    const confined = source.kind === "cluster" && source.namespaced;
    const placed = confined ? confine(settings, cluster) : settings;
    await lookForObjects(placed, cluster, asker, signal);
    return show(asker, placed, title, terminal, signal);
  });
}

async function runLocal(
  source: Source & { kind: "local" },
  settings: Settings,
  title: string,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const pipeline = await startPipeline(source, settings.live, terminal);
  try {
    await firstPass(pipeline, signal);
    if (signal.aborted) return;
    const asker = pipeline.ask(signal);
    try {
      await show(asker, settings, title, terminal, signal);
    } finally {
      asker.close();
    }
  } finally {
    await pipeline.close();
  }
}

async function lookForObjects(
  settings: Settings,
  { api }: ClusterConnection,
  asker: Asker,
  signal: AbortSignal,
): Promise<void> {
  const { refuseMissing } = await import("./cluster/refuse-missing.ts");
  await refuseMissing(settings, api, asker, signal);
}

// As kubectl does if no namespace is named.
function confine(settings: Settings, { contextNamespace }: ClusterConnection): Settings {
  return { ...settings, filter: { ...settings.filter, namespaces: [contextNamespace] } };
}

// Whether the output shows every pod's own account: not in a live table.
function showsPods({ format, live }: Settings): boolean {
  if (format.name === "wide") return !live;
  return ["json", "yaml", "jsonpath", "jsonpath-as-json"].includes(format.name);
}

async function show(
  asker: Asker,
  settings: Settings,
  title: string,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  // Sorting selects among all items, so all are requested.
  const filter = withEndpoints(settings.filter, settings.endpoints);
  const options: AskOptions = { filter, limit: settings.sort === null ? settings.limit : 0 };
  switch (settings.subject) {
    case "edges":
      return print(views.edges, () => asker.edges(options), { settings, title, terminal, signal });
    case "connections":
      return print(views.connections, () => asker.connections(options), {
        settings,
        title,
        terminal,
        signal,
      });
    case "listeners":
      return print(views.listeners, () => asker.listeners(options), { settings, title, terminal, signal });
    case "unix":
      return print(views.unix, () => asker.connections(options), { settings, title, terminal, signal });
    case "coverage":
      return print(views.coverage, () => asker.coverage(showsPods(settings)), {
        settings,
        title,
        terminal,
        signal,
      });
    case "watch":
      return printWatch(asker.watch(filter, settings.initial), settings, terminal);
  }
}

/** How and where to print an answer. */
interface Printing {
  readonly settings: Settings;
  readonly title: string;
  readonly terminal: Terminal;
  readonly signal: AbortSignal;
}

async function print<Item>(
  view: View<Item>,
  ask: () => Answer<Item>,
  { settings, title, terminal, signal }: Printing,
): Promise<void> {
  const wishes = { ...settings, title, filtered: isFiltered(settings), place: placeOf(settings) };
  const { format } = settings;
  if (settings.live && isTable(format)) await printLive(view, ask, { ...wishes, format }, terminal, signal);
  else await printOnce(view, ask(), wishes, terminal);
}

async function runFile(
  path: string,
  settings: Settings,
  title: string,
  terminal: Terminal,
  signal: AbortSignal,
): Promise<void> {
  const limit = settings.sort === null ? settings.limit : 0;
  const read = <Item>(view: View<Item>): Promise<void> =>
    print(view, () => readListFile(path, view, limit), { settings, title, terminal, signal });
  // A file of connections may contain any protocol: its unix view shows the unix columns.
  const name: ViewName = settings.subject === "watch" ? "connections" : settings.subject;
  switch (name) {
    case "edges":
      return read(views.edges);
    case "connections":
      return read(views.connections);
    case "listeners":
      return read(views.listeners);
    case "unix":
      return read(views.unix);
    case "coverage":
      return read(views.coverage);
  }
}

async function startPipeline(
  source: Source & { kind: "local" },
  live: boolean,
  terminal: Terminal,
): Promise<LocalPipeline> {
  const { startLocal } = await import("./local/start-local.ts");
  const { listen } = source.options;
  const pipeline = await startLocal(source.options).catch(asFailure);
  // Nobody else queries a pipeline that ends at once.
  const { address } = pipeline;
  if (listen !== null && address !== null && live) {
    const taken =
      listen.port !== 0 && !address.endsWith(`:${listen.port}`) ? `Port ${listen.port} is taken. ` : "";
    terminal.say(`${taken}Serving on ${address}: ask from another terminal with --server ${address}`);
  }
  return pipeline;
}

async function firstPass(pipeline: LocalPipeline, signal: AbortSignal): Promise<void> {
  const interrupted = new Promise<void>((resolve) => {
    if (signal.aborted) resolve();
    else signal.addEventListener("abort", () => resolve(), { once: true });
  });
  await Promise.race([pipeline.firstPass, interrupted]).catch(asFailure);
}

// The messages of the pipeline's errors say what is wrong with the machine; our own bugs stay unchanged.
function asFailure(error: unknown): never {
  const mistake =
    error instanceof TypeError || error instanceof ReferenceError || error instanceof RangeError;
  if (!(error instanceof Error) || mistake || error instanceof UsageError) throw error;
  throw new FailureError(error.message, { cause: error });
}

function placeOf({ filter, source }: Settings): string {
  const [namespace] = filter.namespaces;
  if (namespace === undefined) return "";
  const implied = source.kind === "cluster" && source.namespaced ? " (the context's; -A looks into all)" : "";
  return ` in namespace ${namespace}${implied}`;
}

function isFiltered(settings: Settings): boolean {
  const { protocols, includeAnonymous: _, namespaces: _place, ...rest } = settings.filter;
  const asked = Object.values(rest).some((value) =>
    Array.isArray(value) ? value.length > 0 : Boolean(value),
  );
  return (
    asked ||
    settings.endpoints.length > 0 ||
    (settings.subject !== "unix" && protocols.length > 0 && !isProtocolScope(settings.filter))
  );
}
