// What differs between the clusters that the claims run against. Only this file reads the environment.

import path from "node:path";

/** The root of the repository. */
export const repository: string = path.resolve(import.meta.dirname, "../..");

/** Settings of a run. */
export interface Environment {
  /** Command that takes image archives and puts them on every node. */
  readonly load: string;
  /** Command that runs what follows it on a host outside the cluster; empty where there is none. */
  readonly world: string;
  /** Node.js on that host. */
  readonly worldNode: string;
  /** Command that runs, on the node whose name follows, what follows that; empty where there is none. */
  readonly node: string;
  /** Image with busybox; empty where there is none. */
  readonly toolsImage: string;
  /** Addresses to give to a Service of type LoadBalancer where no controller does. */
  readonly loadBalancerAddresses: readonly string[];
  /** Namespace that the product is installed in. */
  readonly namespace: string;
  /** Name of its release. */
  readonly release: string;
  /** Use the release that is there, and leave it there. */
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
