// Access to the API server through a pod's own service account, without the client library: a pod only needs
// to read three files, and loading the library takes 58 MiB.

import { existsSync, readFileSync } from "node:fs";
import type { RequestOptions } from "node:https";

import { KubernetesError } from "./kubernetes-error.ts";
import type { ClusterAccess } from "./kubernetes-api.ts";

/** Where the kubelet puts a pod's token and the cluster's certificate authority. */
const SERVICE_ACCOUNT_DIRECTORY = "/var/run/secrets/kubernetes.io/serviceaccount";

/** Whether this process runs in a pod with a service account's token. */
export function hasServiceAccount(
  environment: Readonly<Record<string, string | undefined>>,
  directory: string = SERVICE_ACCOUNT_DIRECTORY,
): boolean {
  return environment["KUBERNETES_SERVICE_HOST"] !== undefined && existsSync(`${directory}/token`);
}

/** Access through the files of the pod's service account, read for each request: the kubelet rotates them. */
export class ServiceAccountAccess implements ClusterAccess {
  readonly #server: string;
  readonly #directory: string;

  constructor(
    environment: Readonly<Record<string, string | undefined>>,
    directory: string = SERVICE_ACCOUNT_DIRECTORY,
  ) {
    const host = environment["KUBERNETES_SERVICE_HOST"] ?? "";
    const port = environment["KUBERNETES_SERVICE_PORT"] ?? "443";
    this.#server = `https://${host.includes(":") ? `[${host}]` : host}:${port}`;
    this.#directory = directory;
  }

  getCurrentCluster(): { readonly server: string } {
    return { server: this.#server };
  }

  applyToHTTPSOptions(options: RequestOptions): Promise<void> {
    try {
      options.ca = readFileSync(`${this.#directory}/ca.crt`);
      const token = readFileSync(`${this.#directory}/token`, "utf8").trim();
      options.headers = { authorization: `Bearer ${token}` };
      return Promise.resolve();
    } catch (error) {
      const cause = error as Error;
      return Promise.reject(
        new KubernetesError("no-config", `the pod's service account cannot be read: ${cause.message}`, {
          cause,
        }),
      );
    }
  }
}
