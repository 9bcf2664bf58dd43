// Packs the chart's default images into dist/images/*.tar without a container engine: the same content and
// paths as images/Dockerfile, for this machine's architecture. `npm run images`.

import { execFile } from "node:child_process";
import { access, constants, mkdir, readdir, readFile } from "node:fs/promises";
import path from "node:path";
import { promisify } from "node:util";
import { runTool } from "../lib/program/run-tool.ts";
import { buildPrograms } from "./build.ts";
import { repository } from "./bundle.ts";
import { chartImages } from "./chart-images.ts";
import { writeImageArchive } from "./image-archive.ts";
import { sharedLibraries } from "./shared-libraries.ts";
import { parentDirectories, type TarEntry } from "./tar.ts";

const run = promisify(execFile);
const outputDirectory = path.join(repository, "dist/images");
const architectures: Partial<Record<string, string>> = { x64: "amd64", arm64: "arm64" };

/** The user nonroot of distroless images. */
const nonroot = "65532:65532";

const accounts = {
  "etc/passwd":
    "root:x:0:0:root:/root:/sbin/nologin\nnonroot:x:65532:65532:nonroot:/home/nonroot:/sbin/nologin\n",
  "etc/group": "root:x:0:\nnonroot:x:65532:\n",
  "etc/nsswitch.conf": "hosts: files dns\n",
};

/** A written archive. */
interface PackedImage {
  /** Path below the repository. */
  readonly file: string;
  readonly name: string;
  readonly bytes: number;
}

/**
 * Builds the programs and packs both images (NATS's only if nats-server is on the PATH). Returns what was
 * written.
 */
export async function packImages(): Promise<PackedImage[]> {
  const architecture = architectures[process.arch];
  if (process.platform !== "linux" || architecture === undefined) {
    throw new Error(
      `images are packed on Linux for amd64 and arm64, not on ${process.platform} ${process.arch}: use images/Dockerfile`,
    );
  }
  const names = await chartImages();
  await buildPrograms();
  await mkdir(outputDirectory, { recursive: true });
  const written = [await packWhotalks(names.whotalks, architecture)];
  const natsServer = await findProgram("nats-server");
  if (natsServer === undefined) {
    console.error(
      `images: no nats-server on the PATH, so ${names.nats} is not packed: the nodes must pull it`,
    );
  } else {
    written.push(await packNats(natsServer, names.nats, names.natsVersion, architecture));
  }
  return written;
}

/**
 * The image of the agent, the aggregator and the command line: Node in the lower layer, the programs above.
 */
async function packWhotalks(name: string, architecture: string): Promise<PackedImage> {
  const node = path.join(repository, `node_modules/node-linux-${process.arch}/bin/node`);
  const runtime: TarEntry[] = [
    { kind: "file", path: "nodejs/bin/node", mode: 0o755, content: await readFile(node) },
    ...(await sharedLibraries(node)),
    ...Object.entries(accounts).map(([file, text]) => textFile(file, text)),
  ];
  const programs = [
    ...(await directoryEntries("dist/agent", "app/agent")),
    ...(await directoryEntries("dist/aggregator", "app/aggregator")),
    await fileEntry("dist/kubectl-whotalks", "app/kubectl-whotalks", 0o755),
    textFile("app/package.json", `{ "type": "module" }\n`),
  ];
  const file = path.join(outputDirectory, "whotalks.tar");
  const config = {
    name,
    architecture,
    user: nonroot,
    entrypoint: ["/nodejs/bin/node"],
    command: ["/app/kubectl-whotalks"],
    environment: ["PATH=/nodejs/bin", "NODE_ENV=production"],
    labels: { "org.opencontainers.image.title": "whotalks" },
  };
  const bytes = await writeImageArchive(file, config, [
    withDirectories([...runtime, { kind: "directory", path: "tmp", mode: 0o1777 }]),
    withDirectories(programs),
  ]);
  return { file: path.relative(repository, file), name, bytes };
}

/** An image like NATS's official one for Docker: only /nats-server. */
async function packNats(
  program: string,
  name: string,
  version: string,
  architecture: string,
): Promise<PackedImage> {
  const { stdout } = await run(program, ["--version"]);
  const found = /\bv(\d\S*)/.exec(stdout)?.[1] ?? "unknown";
  if (found !== version) {
    console.error(
      `images: the chart asks for NATS ${version}; ${program} is ${found} and is packed in its place`,
    );
  }
  const libraries = await sharedLibraries(program).catch(() => []); // a static program has none
  const entries: TarEntry[] = [
    { kind: "file", path: "nats-server", mode: 0o755, content: await readFile(program) },
    ...libraries,
    { kind: "directory", path: "tmp", mode: 0o1777 },
  ];
  const file = path.join(outputDirectory, "nats.tar");
  const config = {
    name,
    architecture,
    user: "",
    entrypoint: ["/nats-server"],
    command: [],
    environment: ["PATH=/"],
    labels: { "org.opencontainers.image.title": "nats-server", "org.opencontainers.image.version": found },
  };
  const bytes = await writeImageArchive(file, config, [withDirectories(entries)]);
  return { file: path.relative(repository, file), name, bytes };
}

function withDirectories(entries: readonly TarEntry[]): TarEntry[] {
  return [...parentDirectories(entries.map((entry) => entry.path)), ...entries];
}

function textFile(file: string, text: string): TarEntry {
  return { kind: "file", path: file, mode: 0o644, content: Buffer.from(text) };
}

async function fileEntry(source: string, target: string, mode: number): Promise<TarEntry> {
  return { kind: "file", path: target, mode, content: await readFile(path.join(repository, source)) };
}

/** Every file below a directory of the repository, in a fixed order, moved to `target`. */
async function directoryEntries(source: string, target: string): Promise<TarEntry[]> {
  const names = await readdir(path.join(repository, source), { recursive: true, withFileTypes: true });
  const files = names
    .filter((entry) => entry.isFile())
    .map((entry) => path.relative(path.join(repository, source), path.join(entry.parentPath, entry.name)))
    .toSorted();
  return Promise.all(files.map((file) => fileEntry(path.join(source, file), path.join(target, file), 0o644)));
}

/** The path of a program on the PATH, if it exists. */
async function findProgram(name: string): Promise<string | undefined> {
  for (const directory of (process.env["PATH"] ?? "").split(":")) {
    const candidate = path.join(directory, name);
    const found = await access(candidate, constants.X_OK).then(
      () => true,
      () => false,
    );
    if (found) return candidate;
  }
  return undefined;
}

const tool = {
  start: "npm run images",
  summary:
    "Builds the programs and packs the chart's images into dist/images/*.tar, without a container engine.",
  flags: {},
};

if (import.meta.main) {
  await runTool(tool, process.argv.slice(2), async () => {
    for (const { file, name, bytes } of await packImages()) {
      console.log(`${file} ${name} ${(bytes / 2 ** 20).toFixed(0)} MiB`);
    }
  });
}
