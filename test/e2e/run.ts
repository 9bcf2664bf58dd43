// `npm run e2e [-- NUMBER…]`: builds, packs and loads the images, runs the claims one after the other on the
// cluster of $KUBECONFIG, and removes what they created. Numbers select claims by the start of their file's
// name.

import { spawn } from "node:child_process";
import { readdirSync } from "node:fs";
import path from "node:path";
import { packImages } from "../../scripts/images.ts";
import { kubectl, must } from "./command.ts";
import { environment, repository } from "./environment.ts";
import { isInstalled, uninstall } from "./release.ts";

const claimsDirectory = path.join(import.meta.dirname, "claims");

async function main(numbers: readonly string[]): Promise<number> {
  const files = readdirSync(claimsDirectory)
    .filter((file) => file.endsWith(".e2e.ts"))
    .filter((file) => numbers.length === 0 || numbers.some((number) => file.startsWith(number)))
    .toSorted();
  if (files.length === 0) throw new Error(`no claim's file begins with ${numbers.join(" or ")}`);
  await kubectl("get", "nodes");
  const present = await isInstalled();
  if (present && !environment.reuse) {
    throw new Error(
      `a release ${environment.release} is in namespace ${environment.namespace} already: uninstall it, or set E2E_REUSE=1 to use it, or E2E_NAMESPACE`,
    );
  }
  const archives = await packImages();
  const [load = "", ...loadArguments] = environment.load.split(/\s+/);
  for (const { file } of archives) await must(load, [...loadArguments, path.join(repository, file)]);
  try {
    return await runTests(files.map((file) => path.join(claimsDirectory, file)));
  } finally {
    if (!environment.reuse) await uninstall();
  }
}

/** Runs the files one after the other, because claims restart what others depend on. */
function runTests(files: readonly string[]): Promise<number> {
  const reporter = path.join(repository, "test/reporter.ts");
  const args = ["--test", "--test-concurrency=1", `--test-reporter=${reporter}`, ...files];
  const child = spawn(process.execPath, args, { stdio: "inherit" });
  const stop = (): void => void child.kill("SIGINT");
  process.on("SIGINT", stop).on("SIGTERM", stop); // The clean-up still runs.
  return new Promise((resolve) => child.on("close", (status) => resolve(status ?? 1)));
}

try {
  process.exitCode = await main(process.argv.slice(2));
} catch (error) {
  console.error(`e2e: ${error instanceof Error ? error.message : String(error)}`);
  process.exitCode = 1;
}
