// The default images of the chart, which is the only place that names them.

import { readFile } from "node:fs/promises";
import path from "node:path";
import { parse } from "yaml";
import { z } from "zod";
import { repository } from "./bundle.ts";

const image = z.object({ registry: z.string(), repository: z.string(), tag: z.string() });
const valuesSchema = z.object({ image, nats: z.object({ image }) });
const chartSchema = z.object({ appVersion: z.string() });

/** Names with tags, as in pods. */
interface ChartImages {
  readonly whotalks: string;
  readonly nats: string;
  /** The version of NATS that the tag names. */
  readonly natsVersion: string;
}

/** Reads the chart's defaults. Throws if the chart lacks them. */
export async function chartImages(): Promise<ChartImages> {
  const chart = chartSchema.parse(await readYaml("charts/whotalks/Chart.yaml"));
  const values = valuesSchema.parse(await readYaml("charts/whotalks/values.yaml"));
  return {
    whotalks: imageName(values.image, chart.appVersion),
    nats: imageName(values.nats.image, ""),
    natsVersion: values.nats.image.tag,
  };
}

function imageName(of: z.infer<typeof image>, defaultTag: string): string {
  const registry = of.registry === "" ? "" : `${of.registry}/`;
  return `${registry}${of.repository}:${of.tag === "" ? defaultTag : of.tag}`;
}

async function readYaml(file: string): Promise<unknown> {
  return parse(await readFile(path.join(repository, file), "utf8"));
}
