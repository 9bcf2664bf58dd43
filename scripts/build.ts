// Builds everything that is shipped: the kubectl plugin as one executable file, and the two programs that run
// in the cluster. `npm run build`.

import { chmod, cp, mkdir, readdir, rm, stat, writeFile } from "node:fs/promises";
import path from "node:path";
import { runTool } from "../lib/program/run-tool.ts";
import { bundle, repository } from "./bundle.ts";

/** One program: its source and its output. */
interface Program {
  readonly entry: string;
  readonly outfile: string;
  /** Whether it is started by its name, from any directory it was copied to. */
  readonly executable: boolean;
  /** Packages with native code that must be shipped with it. */
  readonly native: readonly string[];
}

const programs: readonly Program[] = [
  { entry: "cli/main.ts", outfile: "dist/kubectl-whotalks", executable: true, native: [] },
  {
    entry: "services/node-agent/main.ts",
    outfile: "dist/agent/main.js",
    executable: false,
    native: ["koffi"],
  },
  { entry: "services/aggregator/main.ts", outfile: "dist/aggregator/main.js", executable: false, native: [] },
];

/** Builds all programs into dist/. Returns the sizes of the files in bytes, by path. */
export async function buildPrograms(): Promise<Map<string, number>> {
  const sizes = new Map<string, number>();
  for (const { entry, outfile, executable, native } of programs) {
    const directory = path.join(repository, path.dirname(outfile));
    if (!executable) await rm(directory, { recursive: true, force: true });
    await mkdir(directory, { recursive: true });
    // One file can be copied anywhere by itself.
    await bundle(entry, outfile, { split: !executable });
    for (const name of native) await shipPackage(name, directory);
    if (executable) await chmod(path.join(repository, outfile), 0o755);
    else await writeFile(path.join(directory, "package.json"), `{ "type": "module" }\n`);
    for (const name of executable ? [path.basename(outfile)] : await scriptsIn(directory))
      sizes.set(path.join(path.dirname(outfile), name), (await stat(path.join(directory, name))).size);
  }
  return sizes;
}

/** The files of a program that was split. */
async function scriptsIn(directory: string): Promise<string[]> {
  return (await readdir(directory)).filter((name) => name.endsWith(".js"));
}

/** Copies a native package, with its binary for this platform, next to a bundle. */
async function shipPackage(name: string, directory: string): Promise<void> {
  const binary = `@koromix/${name}-${process.platform}-${process.arch}`;
  for (const each of [name, binary]) {
    const source = path.join(repository, "node_modules", each);
    await cp(source, path.join(directory, "node_modules", each), {
      recursive: true,
      filter: isNeededAtRunTime,
    });
  }
}

/** Excludes the C++ sources and the documentation in native packages. */
function isNeededAtRunTime(file: string): boolean {
  return !/\/(doc|vendor)$|\.(cc|hh|S|asm|md|d\.ts|txt)$/.test(file);
}

const tool = {
  start: "npm run build",
  summary: "Builds what is shipped into dist/: the kubectl plugin, the agent, the aggregator.",
  flags: {},
};

if (import.meta.main) {
  await runTool(tool, process.argv.slice(2), async () => {
    for (const [file, bytes] of await buildPrograms()) {
      console.log(`${file} ${(bytes / 2 ** 20).toFixed(1)} MiB`);
    }
  });
}
