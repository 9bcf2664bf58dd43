// The required Node.js version is defined in one place (docs/install.md, "Node.js versions"), and everything
// else agrees with it.

import assert from "node:assert/strict";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";
import { z } from "zod";

import { BUNDLE_NODE } from "../scripts/bundle.ts";

const root = path.join(import.meta.dirname, "..");
const read = (file: string): string => readFileSync(path.join(root, file), "utf8");
const packageSchema = z.object({
  engines: z.object({ node: z.string() }),
  devDependencies: z.record(z.string(), z.string()).default({}),
  optionalDependencies: z.record(z.string(), z.string()).default({}),
});
const own = packageSchema.parse(JSON.parse(read("package.json")));
const install = read("docs/install.md");

// The version in the table's row that begins with these words.
function stated(row: string): string {
  const found = new RegExp(`^\\| ${row}.*? \\| ([\\d.]+) or newer \\|`, "m").exec(install)?.[1];
  assert.ok(found !== undefined, row);
  return found;
}

const numbers = (version: string): number[] => version.split(".").map(Number);
const isAtLeast = (version: string, least: string): boolean => {
  const [a, b] = [numbers(version), numbers(least)];
  const differs = b.findIndex((part, index) => (a[index] ?? 0) !== part);
  return differs < 0 || (a[differs] ?? 0) > b[differs]!;
};

test("the Node.js that starts npm is the package's", () => {
  assert.equal(own.engines.node, `>=${stated("`npm start`")}`);
});

test("the sources run on the Node.js that npm ci brings, of which the types are too", () => {
  const sources = stated("the same on other systems");
  const { "@types/node": types } = own.devDependencies;
  for (const version of [...Object.values(own.optionalDependencies), types])
    assert.equal(version?.split(".")[0], sources);
  assert.ok(isAtLeast(process.versions.node, sources));
  for (const workflow of globSync(".github/workflows/*.yml", { cwd: root }))
    for (const [, version] of read(workflow).matchAll(/node-version: (\S+)/g)) assert.equal(version, sources);
});

test("bundles are made for the Node.js that the plugin needs, and undici needs no newer one", () => {
  assert.equal(stated("`kubectl-whotalks`"), BUNDLE_NODE);
  const { engines } = packageSchema.parse(JSON.parse(read("node_modules/undici/package.json")));
  assert.ok(isAtLeast(BUNDLE_NODE, engines.node.replace(/^>=/, "").replace(/\.0$/, "")), engines.node);
});

test("every document names one of these versions", () => {
  const known = new Set([stated("`npm start`"), stated("the same on other systems"), BUNDLE_NODE]);
  const documents = globSync(["*.md", "docs/**/*.md", "charts/**/*.md"], { cwd: root });
  let named = 0;
  for (const file of documents) {
    for (const [sentence, version] of read(file).matchAll(/Node(?:\.js)? ([\d.]+\d) or newer/g)) {
      assert.ok(known.has(version!), `${file}: ${sentence}`);
      named++;
    }
  }
  assert.ok(named >= 4);
});
