// Builds, packs and loads the images onto the cluster's nodes.

import path from "node:path";

import { packImages } from "../../scripts/images.ts";
import { kubectl, must } from "./command.ts";
import { environment, repository } from "./environment.ts";
import { isInstalled } from "./release.ts";

/** Prepares the cluster of $KUBECONFIG. Throws if it has a release of the product that may not be used. */
export async function prepareCluster(): Promise<void> {
  await kubectl("get", "nodes");
  if ((await isInstalled()) && !environment.reuse) {
    throw new Error(
      `a release ${environment.release} is in namespace ${environment.namespace} already: uninstall it, or set E2E_REUSE=1 to use it, or E2E_NAMESPACE`,
    );
  }
  const archives = await packImages();
  const [load = "", ...loadArguments] = environment.load.split(/\s+/);
  for (const { file } of archives) await must(load, [...loadArguments, path.join(repository, file)]);
}
