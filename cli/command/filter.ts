// Converts the filter flags to the query API's Filter. Pure; every mistake is a UsageError that quotes it.

import type { EndpointSelector, Filter } from "../../lib/gen/whotalks/v1/query.ts";
import { normalizeState, stateWords } from "../../lib/vocabulary/states.ts";
import { knownWord, parseNumber } from "../../lib/program/typed-values.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { normalizeOutcome, outcomeWords } from "../../lib/vocabulary/outcomes.ts";
import { internetProtocols, normalizeProtocol, protocolChoices } from "../../lib/vocabulary/protocols.ts";
import type { Flags } from "./flags.ts";
import { parseSelector } from "./selectors.ts";

const PORT_MAX = 65_535;
/** The value of --protocol that selects every protocol. */
const ALL_PROTOCOLS = "all";

/** A filter that matches everything. */
export const openFilter: Filter = {
  from: [],
  to: [],
  either: [],
  ports: [],
  protocols: [],
  states: [],
  processes: [],
  namespaceInodes: [],
  namespaces: [],
  labels: "",
  outcomes: [],
  openOnly: false,
  includeAnonymous: false,
};

/** Parses the filter flags. If bareIsProcess is set, an endpoint without a kind is the name of a process. */
export function parseFilter(flags: Flags, bareIsProcess: boolean): Filter {
  const selectors = (flag: string, texts: readonly string[] = []): Filter["from"] =>
    values(flag, texts).map((text) => parseSelector(text, bareIsProcess));
  return {
    ...openFilter,
    from: selectors("--from", flags.from),
    to: selectors("--to", flags.to),
    either: selectors("--either", flags.either),
    ports: values("--port", flags.port).map((text) => parseNumber("--port", text, 1, PORT_MAX)),
    protocols: parseProtocols(flags),
    states: values("--state", flags.state).map((text) =>
      knownWord("--state", text, normalizeState, stateWords),
    ),
    processes: values("--process", flags.process),
    namespaceInodes: values("--namespace-inode", flags.namespaceInode).map((text) =>
      parseNumber("--namespace-inode", text.replace(/^net:\[(\d+)\]$/, "$1"), 1, Number.MAX_SAFE_INTEGER),
    ),
    outcomes: values("--outcome", flags.outcome).map((text) =>
      knownWord("--outcome", text, normalizeOutcome, outcomeWords),
    ),
    openOnly: flags.open === true,
    includeAnonymous: flags.anonymous === true,
  };
}

// Every protocol if one of the values is "all".
function parseProtocols(flags: Flags): string[] {
  const texts = values("--protocol", flags.protocol);
  if (texts.some((text) => text.toLowerCase() === ALL_PROTOCOLS)) return [];
  return texts.map((text) =>
    knownWord("--protocol", text, normalizeProtocol, [...protocolChoices, ALL_PROTOCOLS]),
  );
}

/**
 * Restricts a filter to internet protocols, unless the user named protocols, a unix socket's path, or pairs
 * without a name, which are unix sockets too.
 */
export function withProtocolScope(
  filter: Filter,
  endpoints: readonly EndpointSelector[],
  flags: Flags,
): Filter {
  const { from, to, either, includeAnonymous } = filter;
  const namesPath = [...from, ...to, ...either, ...endpoints].some(({ path }) => path !== undefined);
  if (flags.protocol !== undefined || includeAnonymous || namesPath) return filter;
  return { ...filter, protocols: internetProtocols as string[] };
}

/** Whether a filter's protocols are only the scope that withProtocolScope() adds. */
export function isProtocolScope({ protocols }: Filter): boolean {
  return protocols === internetProtocols;
}

function values(flag: string, texts: readonly string[] = []): string[] {
  const trimmed = texts.map((text) => text.trim());
  if (trimmed.includes("")) throw new UsageError(`${flag} has an empty value.`);
  return trimmed;
}
