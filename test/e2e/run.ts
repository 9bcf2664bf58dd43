// `npm run e2e [-- NUMBER…]`: builds, packs and loads the images, runs the claims one after the other on the
// cluster of $KUBECONFIG, and removes what they created. Numbers select claims by the start of their file's
// name.

import { readdirSync } from "node:fs";
import path from "node:path";
import { runTool } from "../../lib/program/run-tool.ts";
import { UsageError } from "../../lib/program/usage-error.ts";
import { environment } from "./environment.ts";
import { prepareCluster } from "./prepare-cluster.ts";
import { uninstall } from "./release.ts";
import { runTestFiles } from "../run-test-files.ts";

const claimsDirectory = path.join(import.meta.dirname, "claims");

const claims = readdirSync(claimsDirectory)
  .filter((file) => file.endsWith(".e2e.ts"))
  .toSorted();

const tool = {
  start: "npm run e2e",
  summary:
    "Runs the claims one after the other on the cluster of $KUBECONFIG, and removes what they created.",
  words: {
    usage: "[NUMBER…]",
    help: [
      "NUMBER is the beginning of a claim's name; all claims by default:",
      ...claims.map((file) => `  ${nameOf(file)}`),
    ],
  },
  flags: {},
};

function nameOf(file: string): string {
  return file.replace(/\.e2e\.ts$/, "");
}

function selectClaims(numbers: readonly string[]): string[] {
  for (const number of numbers) {
    if (number !== "" && claims.some((file) => file.startsWith(number))) continue;
    throw new UsageError(
      `NUMBER takes the beginning of one of ${claims.map(nameOf).join(", ")}, not '${number}'.`,
    );
  }
  return claims.filter((file) => numbers.length === 0 || numbers.some((number) => file.startsWith(number)));
}

async function main(files: readonly string[]): Promise<number> {
  await prepareCluster();
  try {
    // One after the other, because claims restart what others depend on.
    const paths = files.map((file) => path.join(claimsDirectory, file));
    return await runTestFiles(paths, ["--test-concurrency=1"]);
  } finally {
    if (!environment.reuse) await uninstall();
  }
}

await runTool(tool, process.argv.slice(2), async ({ words }) => {
  const files = selectClaims(words);
  try {
    process.exitCode = await main(files);
  } catch (error) {
    console.error(`e2e: ${error instanceof Error ? error.message : String(error)}`);
    process.exitCode = 1;
  }
});
