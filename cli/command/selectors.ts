// Converts endpoint arguments (`--from deploy/web --to 10.0.0.0/8`) to the query API's selectors.

import type { EndpointSelector } from "../../lib/gen/whotalks/v1/query.ts";
import { parseRange } from "../../lib/address.ts";
import type { EndpointKind } from "../../lib/vocabulary/endpoint-kinds.ts";
import { findWord } from "../../lib/vocabulary/word-list.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { nearest } from "../../lib/program/suggest.ts";

type SelectKind = (name: string) => EndpointSelector;

const workload =
  (kind: string): SelectKind =>
  (name) => ({ workload: { namespace: "", kind, name } });

// Kinds whose names follow Kubernetes' rules, each with its short names.
const kubernetesKinds: ReadonlyArray<readonly [words: readonly string[], select: SelectKind]> = [
  [["pod", "pods", "po"], (name) => ({ pod: { namespace: "", name } })],
  [["deployment", "deployments", "deploy"], workload("Deployment")],
  [["statefulset", "statefulsets", "sts"], workload("StatefulSet")],
  [["daemonset", "daemonsets", "ds"], workload("DaemonSet")],
  [["replicaset", "replicasets", "rs"], workload("ReplicaSet")],
  [["job", "jobs"], workload("Job")],
  [["cronjob", "cronjobs", "cj"], workload("CronJob")],
  [["service", "services", "svc"], (name) => ({ service: { namespace: "", name } })],
  [["namespace", "namespaces", "ns"], (name) => ({ namespace: name })],
  [["node", "nodes", "no"], (name) => ({ node: name })],
];

// Kinds whose names come from a machine: they may contain anything.
const machineKinds: ReadonlyArray<readonly [words: readonly string[], select: SelectKind]> = [
  [["process", "proc"], (name) => ({ process: name })],
  [["unit"], (name) => ({ unit: name })],
  [["container"], (name) => ({ container: name })],
];

const selectByKubernetesWord = byWord(kubernetesKinds);
const selectByMachineWord = byWord(machineKinds);
// Kinds without a name.
const endpointWords = ["external", "unknown"] as const satisfies readonly EndpointKind[];
const kindWords = [...selectByKubernetesWord.keys(), ...selectByMachineWord.keys(), "pid"];

/** The forms of an endpoint argument, for messages and help. */
export const selectorForms: readonly string[] = [
  "10.0.0.1, 10.0.0.0/8, 2001:db8::/32",
  "pod/NAME, svc/NAME, ns/NAME, node/NAME",
  "deploy/NAME, sts/NAME, ds/NAME, rs/NAME, job/NAME, cj/NAME",
  "NAMESPACE/KIND/NAME (in another namespace)",
  "process/NAME, pid/NUMBER, unit/NAME, container/NAME-OR-ID",
  "/PATH, @NAME or unix:PATH (a unix socket; with * at its end, all that begin so)",
  "external, unknown",
];

const formsSentence = `write one of ${selectorForms.join("; ")}.`;

// RFC 1123 subdomains: the names that Kubernetes allows.
const kubernetesName = /^[a-z0-9]([-a-z0-9.]{0,251}[a-z0-9])?$/;
const PID_MAX = 2 ** 22;

/** Whether a word is the name of a kind. */
export function isKindWord(word: string): boolean {
  return kindWords.includes(word.toLowerCase());
}

/** Whether a word is an endpoint by itself: external, unknown. */
export function isKindlessWord(word: string): boolean {
  return findWord(endpointWords, word) !== null;
}

/**
 * Parses one endpoint argument. If bareIsProcess is set, a word without a kind is the name of a process.
 * Throws UsageError, which lists the forms, if the text matches none of them.
 */
export function parseSelector(text: string, bareIsProcess: boolean): EndpointSelector {
  const endpointKind = findWord(endpointWords, text);
  if (endpointKind !== null) return { endpointKind };
  if (text.startsWith("/") || text.startsWith("@")) return { path: text };
  if (text.startsWith("unix:") && text.length > "unix:".length) return { path: text.slice("unix:".length) };
  const address = text.replace(/%[^/]*/, "");
  if (parseRange(address) !== null) return { cidr: address };
  if (/^[\d.]+(\/.*)?$/.test(text) || /^[\da-f]*:[\da-f:.]*(\/.*)?$/i.test(text)) {
    throw new UsageError(
      `${quote(text)} is no address or range: write 10.0.0.1, 10.0.0.0/8 or 2001:db8::/32.`,
    );
  }
  const inNamespace = parseInNamespace(text);
  if (inNamespace !== null) return inNamespace;
  const slash = text.indexOf("/");
  if (slash >= 0) return parseKindAndName(text, text.slice(0, slash), text.slice(slash + 1));
  if (bareIsProcess && text !== "") return { process: text };
  throw new UsageError(`${quote(text)} names no endpoint: ${formsSentence}`);
}

// NAMESPACE/KIND/NAME, as tables show workloads and services; null if the text is of another form.
function parseInNamespace(text: string): EndpointSelector | null {
  const [, namespace, kind, name] = /^([-a-z0-9]{1,63})\/([^/]+)\/([^/]+)$/.exec(text) ?? [];
  if (namespace === undefined || isKindWord(namespace) || !selectByKubernetesWord.has(kind!.toLowerCase()))
    return null;
  const { pod, workload: load, service } = parseKindAndName(text, kind!, name!);
  if (pod !== undefined) return { pod: { ...pod, namespace } };
  if (load !== undefined) return { workload: { ...load, namespace } };
  if (service !== undefined) return { service: { ...service, namespace } };
  throw new UsageError(`${quote(text)} has a namespace, but a ${kind} is in none: write ${kind}/${name}.`);
}

function parseKindAndName(text: string, kind: string, name: string): EndpointSelector {
  if (name === "") throw new UsageError(`${quote(text)} has no name after the slash.`);
  if (kind === "pid") {
    const pid = Number(name);
    if (!/^\d{1,7}$/.test(name) || pid < 1 || pid > PID_MAX) {
      throw new UsageError(`${quote(text)} has no process id after the slash: write pid/123.`);
    }
    return { pid };
  }
  const selectMachine = selectByMachineWord.get(kind);
  if (selectMachine !== undefined) return selectMachine(name);
  const select = selectByKubernetesWord.get(kind.toLowerCase());
  if (select === undefined) {
    const near = nearest(kind, kindWords);
    const hint = near === null ? "" : `Did you mean ${near}/${name}?`;
    throw new UsageError(`${quote(text)} names no endpoint: ${formsSentence}`, hint);
  }
  if (!kubernetesName.test(name)) {
    throw new UsageError(
      `${quote(name)} in ${quote(text)} is no Kubernetes name: those are lower-case letters, digits, '-' and '.'.`,
    );
  }
  return select(name);
}

function byWord(
  kinds: ReadonlyArray<readonly [readonly string[], SelectKind]>,
): ReadonlyMap<string, SelectKind> {
  return new Map(kinds.flatMap(([words, select]) => words.map((word) => [word, select] as const)));
}

function quote(text: string): string {
  return `'${text}'`;
}
