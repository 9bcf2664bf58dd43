// What the tests need, in one archive that a kernel's machine unpacks into its memory: Node.js, the sources,
// the tools and their libraries. Such a machine reads this one's files over 9p without a cache, where each
// open and read waits for the emulator: a start of Node.js takes 15 s there, and 2 s from memory.

import { execFileSync, spawnSync } from "node:child_process";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, realpathSync, rmSync, symlinkSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

/** Of the project, what the tests of a kernel read. */
const sources = ["lib", "services", "test", "package.json"];

/** The packages that they import; those that these need come with them. */
const packages = ["@bufbuild/protobuf", "fast-check", "koffi"];

/** Programs that the tests start. One that is not here is not there either: its tests skip. */
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

/** An archive, gone when it is disposed of. */
export interface Pack extends Disposable {
  /** Lines of shell that unpack it into memory and go to the project in it. */
  readonly unpack: string;
}

/** Packs what the tests need out of the project in `directory`. */
export function packTests(directory: string): Pack {
  const place = mkdtempSync(path.join(tmpdir(), "whotalks-kernels-"));
  const staged = path.join(place, "staged");
  // Links only: tar follows them.
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
      // Few and large reads.
      `dd if=${archive} bs=4M status=none | gzip -d | tar --extract --directory $here`,
      "cd $here/project || exit",
      "export PATH=$here/bin:$PATH LD_LIBRARY_PATH=$here/lib",
      ...(extensions === undefined ? [] : ["export XTABLES_LIBDIR=$here/xtables"]),
    ].join("\n"),
    [Symbol.dispose]: () => rmSync(place, { recursive: true, force: true }),
  };
}

// Packages and all that they need, as far as it is installed beside them.
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

// The shared libraries of a program; none of a script.
function librariesOf(program: string): string[] {
  const { stdout } = spawnSync("ldd", [program], { encoding: "utf8" });
  return [...stdout.matchAll(/=> (\/\S+)/g)].map(([, library]) => library!);
}
