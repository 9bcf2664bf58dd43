// The files that a dynamically linked program needs in an image without an operating system.

import { execFile } from "node:child_process";
import { access, readFile, realpath } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import type { TarEntry } from "./tar.ts";

const run = promisify(execFile);

/** glibc before 2.34 loads these by name to resolve host names; ldd does not list them. */
const loadedByName = ["libnss_files.so.2", "libnss_dns.so.2", "libresolv.so.2"];

/**
 * The program's loader and shared libraries, by the paths where the loader searches for them, as ldd(1) lists
 * them. Throws if ldd is missing or rejects the program.
 */
export async function sharedLibraries(program: string): Promise<TarEntry[]> {
  const { stdout } = await run("ldd", [program]);
  const listed = [...stdout.matchAll(/(\/\S+) \(0x/g)].map((match) => match[1] ?? "");
  const paths = new Set(listed);
  for (const library of listed) {
    for (const name of loadedByName) {
      const candidate = path.join(path.dirname(library), name);
      if (library.includes("libc.so") && (await exists(candidate))) paths.add(candidate);
    }
  }
  const entries: TarEntry[] = [];
  for (const library of [...paths].toSorted()) {
    const content = await readFile(await realpath(library));
    entries.push({ kind: "file", path: library.slice(1), mode: 0o755, content });
  }
  return entries;
}

async function exists(file: string): Promise<boolean> {
  return access(file).then(
    () => true,
    () => false,
  );
}
