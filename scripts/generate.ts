// `npm run generate`: generates code from the table schemas, then code and descriptors from the protos, parts
// of which the schemas describe.

import { spawnSync } from "node:child_process";
import { cpSync, existsSync, globSync, mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { runTool } from "../lib/program/run-tool.ts";
import { repository } from "./bundle.ts";
import { staleTables, writeTables } from "./generate-tables.ts";

const descriptors = "lib/gen/descriptors.binpb";

const tool = {
  start: "npm run generate",
  summary: "Generates the tables from their schemas, and lib/gen from the protos.",
  flags: { check: { help: "write nothing, and exit with 1 if a generated file is out of date" } },
};

await runTool(tool, process.argv.slice(2), ({ flags }) => {
  const isDone = flags.has("check") ? check() : generate();
  if (!isDone) process.exitCode = 1;
});

function generate(): boolean {
  writeTables();
  return buf("generate") && buf("build", "-o", descriptors);
}

function check(): boolean {
  const stale = staleTables();
  for (const file of stale) console.error(`${file} is not what its schema describes: run npm run generate`);
  return stale.length === 0 && isFresh();
}

// Generates from the protos into another directory and compares.
function isFresh(): boolean {
  const fresh = mkdtempSync(path.join(tmpdir(), "whotalks-generated-"));
  try {
    if (!buf("generate", "--output", fresh)) return false;
    if (existsSync(path.join(repository, descriptors)) && !buf("build", "-o", path.join(fresh, descriptors)))
      return false;
    // The tables were compared with their schemas.
    cpSync(path.join(repository, "lib/gen/tables"), path.join(fresh, "lib/gen/tables"), { recursive: true });
    if (contentOf(fresh) === contentOf(repository)) return true;
    console.error("lib/gen is not what proto/ describes: run npm run generate");
    return false;
  } finally {
    rmSync(fresh, { recursive: true });
  }
}

// Every file below lib/gen with its bytes, as one text.
function contentOf(directory: string): string {
  const files = globSync("lib/gen/**", { cwd: directory, withFileTypes: true }).filter((entry) =>
    entry.isFile(),
  );
  const paths = files.map((entry) => path.join(entry.parentPath, entry.name)).toSorted();
  return paths.map((file) => `${path.relative(directory, file)} ${readFileSync(file, "base64")}`).join("\n");
}

// Runs buf, which prints what is wrong; returns whether it succeeded.
function buf(...args: string[]): boolean {
  const binaries = path.join(repository, "node_modules/.bin");
  const environment = { ...process.env, PATH: `${binaries}:${process.env["PATH"] ?? ""}` };
  const { status, error } = spawnSync("buf", args, { cwd: repository, env: environment, stdio: "inherit" });
  if (error !== undefined) throw error;
  return status === 0;
}
