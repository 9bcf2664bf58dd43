// Access to the cluster for programs that run in it: through the pod's service account, or through a
// kubeconfig if they run outside. Only the latter loads the client library.

import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import type { ClusterAccess } from "./kubernetes-api.ts";
import { KubernetesError } from "./kubernetes-error.ts";
import { hasServiceAccount, ServiceAccountAccess } from "./service-account.ts";

/**
 * Returns the access; a kubeconfig takes precedence. Rejects with a KubernetesError `no-config` if there is
 * neither.
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
