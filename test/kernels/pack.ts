// Packs what the tests need into one archive that a kernel's machine unpacks into its memory: Node.js, the
// sources, the tools and their libraries. Such a machine reads this one's files over uncached 9p, where each
// open and read waits for the emulator: Node.js takes 15 s to start there, and 2 s from memory.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** The parts of the project that the tests of a kernel read. */
const sources = ["lib", "services", "test", "package.json"];

/** The packages that they import; their dependencies are added. */
const packages = ["@bufbuild/protobuf", "fast-check", "koffi"];

/** Programs that the tests start. Tests skip if a program is missing here and therefore there. */
const tools = [
  "bash",
  "conntrack",
  "cut",
  "grep",
  "ip",
  "ip6tables",
  "iptables",
  "nsenter",
  "ping",
  "setpriv",
  "sh",
  "sysctl",
  "timeout",
  "unshare",
];

/** An archive that is removed when it is disposed of. */
export interface Pack extends Disposable {
  /** Shell lines that unpack it into memory and change to the project in it. */
  readonly unpack: string;
}

/** Packs what the tests need from the project in `directory`. */
export function packTests(directory: string): Pack {
  const place = mkdtempSync(path.join(tmpdir(), "whotalks-kernels-"));
  const staged = path.join(place, "staged");
  // Links suffice: tar follows them.
  const stage = (from: string, ...to: string[]): void => {
    const link = path.join(staged, ...to);
    mkdirSync(path.dirname(link), { recursive: true });
    if (!existsSync(link)) symlinkSync(realpathSync(from), link);
  };
  for (const each of sources) stage(path.join(directory, each), "project", each);
  for (const each of withDependencies(directory, packages))
    stage(path.join(directory, "node_modules", each), "project/node_modules", each);
  const programs = new Map([["node", process.execPath]]);
  for (const tool of tools) {
    const file = spawnSync("sh", ["-c", `command -v ${tool}`], { encoding: "utf8" }).stdout.trim();
    if (file.startsWith("/")) programs.set(tool, file);
  }
  for (const [name, file] of programs) {
    stage(file, "bin", name);
    for (const library of librariesOf(file)) stage(library, "lib", path.basename(library));
  }
  const extensions = librariesOf(process.execPath)
    .map((library) => path.join(path.dirname(library), "xtables"))
    .find((each) => existsSync(each));
  if (extensions !== undefined) stage(extensions, "xtables");
  const archive = path.join(place, "tests.tar.gz");
  const compressed = ["--use-compress-program", "gzip -1", "--file", archive];
  execFileSync("tar", ["--create", "--dereference", ...compressed, "--directory", staged, "."]);
  return {
    unpack: [
      "here=$(mktemp -d /dev/shm/whotalks.XXXXXX)",
      // Read in few large blocks.
      `dd if=${archive} bs=4M status=none | gzip -d | tar --extract --directory $here`,
      "cd $here/project || exit",
      "export PATH=$here/bin:$PATH LD_LIBRARY_PATH=$here/lib",
      ...(extensions === undefined ? [] : ["export XTABLES_LIBDIR=$here/xtables"]),
    ].join("\n"),
    [Symbol.dispose]: () => rmSync(place, { recursive: true, force: true }),
  };
}

// Packages and their dependencies, if installed next to them.
function withDependencies(directory: string, names: readonly string[]): Set<string> {
  const found = new Set<string>();
  const add = (name: string): void => {
    const file = path.join(directory, "node_modules", name, "package.json");
    if (found.has(name) || !existsSync(file)) return;
    found.add(name);
    const { dependencies = {}, optionalDependencies = {} } = JSON.parse(readFileSync(file, "utf8")) as Record<
      string,
      Record<string, string> | undefined
    >;
    for (const each of Object.keys({ ...dependencies, ...optionalDependencies })) add(each);
  };
  for (const name of names) add(name);
  return found;
}

// The shared libraries of a program; none for a script.
function librariesOf(program: string): string[] {
  const { stdout } = spawnSync("ldd", [program], { encoding: "utf8" });
  return [...stdout.matchAll(/=> (\/\S+)/g)].map(([, library]) => library!);
}
