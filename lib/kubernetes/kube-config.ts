// Chooses cluster and identity: the kubeconfig that kubectl would use, or the pod's own service account.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, join } from "node:path";

// The package's index loads every generated API class (1 s and 90 MB more than this one file).
import { KubeConfig } from "@kubernetes/client-node/dist/config.js";

import { KubernetesError } from "./kubernetes-error.ts";

/**
 * The user's choice of cluster, as kubectl's flags of the same names, and the environment to resolve it in.
 */
export interface KubeConfigChoice {
  /**
   * Path of the kubeconfig (--kubeconfig); else $KUBECONFIG, else ~/.kube/config, else the pod's service
   * account.
   */
  readonly kubeconfig?: string | undefined;
  /** Context (--context); else the kubeconfig's current one. */
  readonly context?: string | undefined;
  readonly environment: Readonly<Record<string, string | undefined>>;
}

/**
 * Loads the chosen kubeconfig. Throws a KubernetesError `no-config` with a sentence if it is missing or
 * invalid.
 */
export function loadKubeConfig(choice: KubeConfigChoice): KubeConfig {
  const config = new KubeConfig();
  const files = choice.kubeconfig === undefined ? filesOf(choice.environment) : [choice.kubeconfig];
  const present = files.filter((file) => existsSync(file));
  if (present.length > 0) loadFiles(config, present);
  else if (choice.kubeconfig === undefined && inCluster(choice.environment)) config.loadFromCluster();
  else {
    throw new KubernetesError(
      "no-config",
      `no kubeconfig: ${files.join(", ")} is not there; name one with --kubeconfig or $KUBECONFIG`,
    );
  }
  if (choice.context !== undefined) chooseContext(config, choice.context);
  if (config.getCurrentCluster() === null)
    throw new KubernetesError("no-config", missingCluster(config, present));
  return config;
}

function filesOf(environment: KubeConfigChoice["environment"]): readonly string[] {
  const named = (environment["KUBECONFIG"] ?? "").split(delimiter).filter((file) => file !== "");
  return named.length > 0 ? named : [join(environment["HOME"] ?? homedir(), ".kube", "config")];
}

function inCluster(environment: KubeConfigChoice["environment"]): boolean {
  return (
    environment["KUBERNETES_SERVICE_HOST"] !== undefined &&
    existsSync("/var/run/secrets/kubernetes.io/serviceaccount/token")
  );
}

function loadFiles(config: KubeConfig, files: readonly string[]): void {
  for (const [index, file] of files.entries()) {
    try {
      if (index === 0) config.loadFromFile(file);
      else {
        const next = new KubeConfig();
        next.loadFromFile(file);
        config.mergeConfig(next, true);
      }
    } catch (error) {
      throw new KubernetesError(
        "no-config",
        `cannot read the kubeconfig ${file}: ${(error as Error).message}`,
        {
          cause: error,
        },
      );
    }
  }
}

function chooseContext(config: KubeConfig, context: string): void {
  if (config.getContextObject(context) === null) {
    throw new KubernetesError(
      "no-config",
      `no context "${context}" in the kubeconfig; it has ${contextNames(config)}`,
    );
  }
  config.setCurrentContext(context);
}

function missingCluster(config: KubeConfig, files: readonly string[]): string {
  const context = config.getContextObject(config.getCurrentContext());
  return context === null
    ? `the kubeconfig ${files.join(", ")} names no current context; choose one of ${contextNames(config)} with --context`
    : `context "${context.name}" names the cluster "${context.cluster}", which the kubeconfig ${files.join(", ")} has not`;
}

function contextNames(config: KubeConfig): string {
  const names = config.getContexts().map(({ name }) => `"${name}"`);
  return names.length === 0 ? "none" : names.join(", ");
}

/** The namespace of the current context; "default" if it has none. */
export function contextNamespace(config: KubeConfig): string {
  return config.getContextObject(config.getCurrentContext())?.namespace ?? "default";
}
