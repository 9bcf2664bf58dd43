// Settings that differ between the clusters on which the claims run. Only this file reads the environment.

import path from "node:path";

/** The root of the repository. */
export const repository: string = path.resolve(import.meta.dirname, "../..");

/** Settings of a run. */
export interface Environment {
  /** Command that loads image archives on every node. */
  readonly load: string;
  /** Command prefix that runs a command on a host outside the cluster; empty if there is none. */
  readonly world: string;
  /** Node.js on that host. */
  readonly worldNode: string;
  /** Command prefix that runs a command on the node that is its first argument; empty if there is none. */
  readonly node: string;
  /** Image with busybox; empty if there is none. */
  readonly toolsImage: string;
  /** Addresses for a Service of type LoadBalancer if no controller assigns them. */
  readonly loadBalancerAddresses: readonly string[];
  /** Namespace of the installed product. */
  readonly namespace: string;
  /** Name of its release. */
  readonly release: string;
  /** Use the existing release, and leave it installed. */
  readonly reuse: boolean;
}

/** The settings of this run, from the variables that docs/kind.md names. */
export const environment: Environment = {
  load: process.env["E2E_LOAD"] ?? "kind load image-archive",
  world: process.env["E2E_WORLD"] ?? "",
  worldNode: process.env["E2E_WORLD_NODE"] ?? process.execPath,
  node: process.env["E2E_NODE"] ?? "",
  toolsImage: process.env["E2E_TOOLS_IMAGE"] ?? "",
  loadBalancerAddresses: (process.env["E2E_LB_ADDRESSES"] ?? "").split(/[ ,]+/).filter((text) => text !== ""),
  namespace: process.env["E2E_NAMESPACE"] ?? "whotalks",
  release: "whotalks",
  reuse: process.env["E2E_REUSE"] === "1",
};
