// Packs files as a container image in the archive format of `docker save` (manifest.json, a config, layers),
// which `docker load`, `podman load`, `ctr images import` and `kind load image-archive` read. Needs no
// container engine.

import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { tar, type TarEntry } from "./tar.ts";

/** An image's name, platform and start command. */
interface ImageConfig {
  /** Repository and tag, as in a pod's `image`. */
  readonly name: string;
  /** Architecture in Go's terms: amd64, arm64. */
  readonly architecture: string;
  /** Numeric user and group (`65532:65532`), or empty for root. */
  readonly user: string;
  readonly entrypoint: readonly string[];
  readonly command: readonly string[];
  readonly environment: readonly string[];
  readonly labels: Readonly<Record<string, string>>;
}

/** Writes the image of these layers (lowest first) to `file`. Returns its size in bytes. */
export async function writeImageArchive(
  file: string,
  config: ImageConfig,
  layers: readonly (readonly TarEntry[])[],
): Promise<number> {
  const blobs = layers.map((entries) => Buffer.concat(tar(entries)));
  const digests = blobs.map(sha256);
  const configJson = Buffer.from(JSON.stringify(imageConfigJson(config, digests)));
  const configName = `${sha256(configJson)}.json`;
  const layerNames = digests.map((digest) => `${digest}/layer.tar`);
  const manifest = [{ Config: configName, RepoTags: [config.name], Layers: layerNames }];
  const members = [
    regular(configName, configJson),
    ...blobs.map((blob, index) => regular(layerNames[index] ?? "", blob)),
    regular("manifest.json", Buffer.from(JSON.stringify(manifest))),
  ];
  const chunks = tar(members);
  await pipeline(Readable.from(chunks), createWriteStream(file));
  return chunks.reduce((sum, chunk) => sum + chunk.length, 0);
}

/** The image's configuration as specified by the OCI image specification (config.md). */
function imageConfigJson(config: ImageConfig, digests: readonly string[]): unknown {
  return {
    created: "1970-01-01T00:00:00Z",
    architecture: config.architecture,
    os: "linux",
    config: {
      User: config.user,
      Env: config.environment,
      Entrypoint: config.entrypoint,
      Cmd: config.command,
      WorkingDir: "/",
      Labels: config.labels,
    },
    rootfs: { type: "layers", diff_ids: digests.map((digest) => `sha256:${digest}`) },
    history: digests.map(() => ({ created: "1970-01-01T00:00:00Z", created_by: "npm run images" })),
  };
}

function regular(path: string, content: Uint8Array): TarEntry {
  return { kind: "file", path, mode: 0o644, content };
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
