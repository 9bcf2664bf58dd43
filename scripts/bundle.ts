// Bundles one program into plain JavaScript, since Node does not strip types below node_modules
// and needs the sources for it. Files that some packages read from their own directories at run time are
// embedded.

import { createRequire } from "node:module";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { build, type Plugin } from "esbuild";

/** The root of the repository. */
export const repository: string = path.resolve(import.meta.dirname, "..");

/**
 * Bundles run on this Node.js and later: undici, which the Kubernetes client loads, states that it needs
 * 22.19. Tried: on 22.15 the plugin works, on 22.14 and 20.20 undici finds no zstd, on 20
 * Promise.withResolvers is missing too.
 */
export const BUNDLE_NODE = "22.19";

/** Packages with native code cannot be bundled. */
const nativePackages = ["koffi"];

/** Globals that bundled CommonJS expects. */
const commonJsBanner = [
  `import { createRequire as bundleRequire } from "node:module";`,
  `const require = bundleRequire(import.meta.url), __filename = import.meta.filename, __dirname = import.meta.dirname;`,
];

/**
 * Bundles `entry` into `outfile`, both paths below the repository. A `#!` line at the start of the entry stays
 * first. `split` puts what is imported on demand into files of its own beside it: a program keeps the text of
 * every file that it loads, and the agent rarely needs the Kubernetes client, which is half of all.
 */
export async function bundle(
  entry: string,
  outfile: string,
  { split }: { readonly split: boolean },
): Promise<void> {
  const { dir, name } = path.parse(outfile);
  await build({
    absWorkingDir: repository,
    ...(split
      ? { entryPoints: [{ in: entry, out: name }], outdir: dir, splitting: true }
      : { entryPoints: [entry], outfile }),
    bundle: true,
    platform: "node",
    format: "esm",
    target: `node${BUNDLE_NODE}`,
    mainFields: ["module", "main"],
    banner: { js: commonJsBanner.join("\n") },
    external: nativePackages,
    plugins: [embedProtos, embedFiles],
    logLevel: "warning",
    legalComments: "inline",
  });
}

/**
 * gRPC's health and reflection packages parse .proto files of their own at run time: parse them at build time
 * instead.
 */
const embedProtos: Plugin = {
  name: "embed-protos",
  setup(setup) {
    const filter = /node_modules\/(@grpc\/reflection|grpc-health-check)\/build\/src\/.*\.js$/;
    setup.onLoad({ filter }, async ({ path: file }) => {
      const source = await readFile(file, "utf8");
      return { contents: source.includes("loadSync") ? withEmbeddedProto(source, file) : source };
    });
  },
};

/**
 * Rewrites the only call of loadSync in such a file to proto-loader's fromJSON. Throws if the file has
 * changed.
 */
function withEmbeddedProto(source: string, file: string): string {
  const call = /(\w+\.|\(0, \w+\.)loadSync(\))?\((protoPath|'[^']+\.proto')/.exec(source);
  const proto = /(?:__dirname, |loadSync\)?\()'([^']+\.proto)'/.exec(source)?.[1];
  if (call === null || proto === undefined) throw new Error(`${file}: cannot find which .proto it loads`);
  const require = createRequire(createRequire(file).resolve("@grpc/proto-loader"));
  const protobuf = require("protobufjs") as ProtobufJs;
  const directory = file.slice(0, file.lastIndexOf("/build/src/"));
  const relative = proto.replace(/^(\.\.\/)+proto\//, "");
  const found = ["build/proto", "proto"].map((each) => path.join(directory, each, relative));
  const keepCase = /keepCase:\s*true/.test(source);
  const json = JSON.stringify(loadFirst(protobuf, found, keepCase));
  return source.replace(call[0], `${call[1] ?? ""}fromJSON${call[2] ?? ""}(${json}`);
}

/** The part of protobufjs that is used here (it comes with proto-loader). */
interface ProtobufJs {
  readonly Root: new () => {
    loadSync(file: string, options: { keepCase: boolean }): { toJSON(): unknown };
  };
}

/** Parses the first of these files that exists. */
function loadFirst(protobuf: ProtobufJs, files: readonly string[], keepCase: boolean): unknown {
  const failures: string[] = [];
  for (const file of files) {
    try {
      return new protobuf.Root().loadSync(file, { keepCase }).toJSON();
    } catch (error) {
      failures.push(String(error));
    }
  }
  throw new Error(failures.join("; "));
}

/**
 * Our own sources read a few files of the repository with `readFileSync(new URL(…))`: embeds their content in
 * the bundle.
 */
const embedFiles: Plugin = {
  name: "embed-files",
  setup(setup) {
    setup.onLoad({ filter: /\.ts$/ }, async ({ path: file }) => {
      const source = await readFile(file, "utf8");
      const call = /readFileSync\(new URL\("([^"]+)", import\.meta\.url\)(, "utf8")?\)/g;
      let contents = source;
      for (const [expression, relative = "", text] of source.matchAll(call)) {
        const bytes = await readFile(path.resolve(path.dirname(file), relative));
        const literal = JSON.stringify(bytes.toString(text === undefined ? "base64" : "utf8"));
        contents = contents.replace(expression, () =>
          text === undefined ? `Buffer.from(${literal}, "base64")` : literal,
        );
      }
      if (contents.includes("new URL(") && contents.includes("import.meta.url)")) {
        const problem = `reads a file by new URL(…, import.meta.url) in a way that cannot be bundled`;
        return { errors: [{ text: problem, location: { file } }] };
      }
      return { contents, loader: "ts" };
    });
  },
};
