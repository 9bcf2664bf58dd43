// `npm run check [-- NAME…]`: runs every `check:…` script of package.json, or some of them, up to the first
// that fails.

import { spawnSync } from "node:child_process";

import packageJson from "../package.json" with { type: "json" };
import { runTool } from "../lib/program/run-tool.ts";
import { listedWord } from "../lib/program/typed-values.ts";

const prefix = "check:";
const names = Object.keys(packageJson.scripts)
  .filter((name) => name.startsWith(prefix))
  .map((name) => name.slice(prefix.length));

const tool = {
  start: "npm run check",
  summary: "Checks everything that needs no tests, up to the first check that fails.",
  words: { usage: "[NAME…]", help: [`NAME is one of ${names.join(", ")}; all by default.`] },
  flags: {},
};

await runTool(tool, process.argv.slice(2), ({ words }) => {
  const wanted = words.map((word) => listedWord("NAME", word, names));
  for (const name of wanted.length === 0 ? names : wanted) {
    const { status, error } = spawnSync("npm", ["run", "-s", `${prefix}${name}`], { stdio: "inherit" });
    if (error !== undefined) throw error;
    if (status === 0) continue;
    process.exitCode = status ?? 1;
    return;
  }
});
