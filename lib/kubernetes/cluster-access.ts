// Access to the cluster for programs that run in it: by the pod's service account, or by a kubeconfig where
// they run outside. The client library that reads kubeconfigs is loaded only then.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import type { ClusterAccess } from "./kubernetes-api.ts";
import { KubernetesError } from "./kubernetes-error.ts";
import { hasServiceAccount, ServiceAccountAccess } from "./service-account.ts";

/**
 * Rejects with a KubernetesError `no-config` where there is neither. A kubeconfig that is there comes first.
 */
export async function loadClusterAccess(
  environment: Readonly<Record<string, string | undefined>>,
): Promise<ClusterAccess> {
  const named = (environment["KUBECONFIG"] ?? "") !== "";
  const file = join(environment["HOME"] ?? homedir(), ".kube", "config");
  if (!named && !existsSync(file)) {
    if (hasServiceAccount(environment)) return new ServiceAccountAccess(environment);
    throw new KubernetesError(
      "no-config",
      `no service account, and no kubeconfig: ${file} is not there; name one with $KUBECONFIG`,
    );
  }
  const { loadKubeConfig } = await import("./kube-config.ts");
  return loadKubeConfig({ environment });
}
