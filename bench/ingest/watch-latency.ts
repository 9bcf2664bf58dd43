// The time from a socket's birth in a pod to its line in `kubectl whotalks watch`, in the cluster that
// $KUBECONFIG names.

import type { ChildProcess } from "node:child_process";
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import path from "node:path";
import { createInterface } from "node:readline";

import { apply, kubectl, run } from "../../test/e2e/command.ts";
import { eventually } from "../../lib/testing/eventually.ts";
import { addressesOf, pod, ready, scriptContainer, server } from "../../test/e2e/workload.ts";
import { median, printTable } from "../measure.ts";

const NAMESPACE = "whotalks-bench";
const PORT = 8080;
const CONNECTIONS = 100;
/**
 * Pause between two connections, evenly distributed, so that they fall anywhere between two passes of the
 * agent.
 */
const PAUSE_MS = [100, 500] as const;
/** After the last connection: connections without a line by then count as missing. */
const LAST_LINE_MS = 15_000;

const repository = path.resolve(import.meta.dirname, "../..");

/** Measures and prints, or prints why it cannot. Creates a namespace and removes it. */
export async function measureWatchLatency(): Promise<void> {
  const missing = await whotalksMissing();
  if (missing !== null) {
    console.log(`SKIP time from a socket's birth to its line in watch: ${missing}`);
    return;
  }
  console.error("measuring watch");
  await kubectl("create", "namespace", NAMESPACE);
  let watch: Watch | null = null;
  try {
    await apply([pod(NAMESPACE, "server", {}, server("server", PORT))]);
    await ready(NAMESPACE, "server");
    watch = new Watch();
    await watch.started();
    await measureWith(watch);
  } finally {
    watch?.stop();
    await kubectl("delete", "namespace", NAMESPACE);
  }
}

async function whotalksMissing(): Promise<string | null> {
  if ((process.env["KUBECONFIG"] ?? "") === "") return "KUBECONFIG names no cluster";
  const labels = "app.kubernetes.io/name=whotalks,app.kubernetes.io/component=aggregator";
  const found = await run("kubectl", ["get", "pods", "-A", "-l", labels, "-o", "name"]).catch(() => null);
  if (found === null) return "kubectl is not on the PATH";
  if (found.status !== 0) return found.stderr.trim();
  return found.stdout === "" ? "whotalks is not installed in the cluster" : null;
}

async function measureWith(watch: Watch): Promise<void> {
  const { ipv4, ipv6 } = await addressesOf(NAMESPACE, "server");
  const order = { host: ipv4 ?? ipv6, port: PORT, connections: CONNECTIONS, pauseMs: PAUSE_MS };
  const program = await readFile(path.join(import.meta.dirname, "connection-opener.js"), "utf8");
  const argument = JSON.stringify(JSON.stringify(order));
  const script = `process.argv.push(${argument});\n${program}`;
  await apply([pod(NAMESPACE, "client", {}, scriptContainer("client", script))]);
  await ready(NAMESPACE, "client");
  if (!(await hasOurTime())) {
    console.log(
      "SKIP time from a socket's birth to its line in watch: the node's clock is not this machine's",
    );
    return;
  }
  const births = await eventually(CONNECTIONS * PAUSE_MS[1] + LAST_LINE_MS, openedConnections);
  await eventually(LAST_LINE_MS, () => watch.knows(births)).catch(() => undefined);
  print(births, watch);
}

// Births are in the pod's time, lines in ours.
async function hasOurTime(): Promise<boolean> {
  const beforeMs = Date.now();
  const kubectlMs = await kubectl(
    "exec",
    "-n",
    NAMESPACE,
    "client",
    "--",
    "/nodejs/bin/node",
    "-p",
    "Date.now()",
  );
  return beforeMs <= Number(kubectlMs) && Number(kubectlMs) <= Date.now();
}

/** A connection as its pod reports it. */
interface Birth {
  readonly bornMs: number;
  readonly ip: string;
  readonly port: number;
}

async function openedConnections(): Promise<Birth[]> {
  const log = await kubectl("logs", "-n", NAMESPACE, "client");
  const lines = log.split("\n").filter((line) => line.startsWith("{"));
  if (lines.length < CONNECTIONS) throw new Error(`only ${lines.length} of ${CONNECTIONS} were opened`);
  return lines.map((line) => JSON.parse(line) as Birth);
}

// `kubectl whotalks watch`, recording the time of each client's first line.
class Watch {
  readonly #child: ChildProcess;
  readonly #lineMs = new Map<string, number>();
  #started = false;

  constructor() {
    const built = path.join(repository, "dist/kubectl-whotalks");
    const [program, ...before] = existsSync(built)
      ? [built]
      : [process.execPath, path.join(repository, "cli/main.ts")];
    const args = [...before, "watch", "-n", NAMESPACE, "--port", String(PORT), "-o", "json"];
    this.#child = spawn(program, args, { stdio: ["ignore", "pipe", "inherit"] });
    createInterface(this.#child.stdout!).on("line", (line) => this.#take(line));
  }

  /** Resolves once it reports that it is watching. */
  async started(): Promise<void> {
    await eventually(LAST_LINE_MS, () =>
      this.#started ? Promise.resolve() : Promise.reject(new Error("watch does not start")),
    );
  }

  lineMs(birth: Birth): number | undefined {
    return this.#lineMs.get(`${birth.ip} ${birth.port}`);
  }

  /** Rejects while some connections have no line. */
  knows(births: readonly Birth[]): Promise<void> {
    const all = births.every((birth) => this.lineMs(birth) !== undefined);
    return all ? Promise.resolve() : Promise.reject(new Error("some have no line yet"));
  }

  stop(): void {
    this.#child.kill();
  }

  #take(line: string): void {
    const nowMs = Date.now();
    this.#started = true;
    const { connection } = JSON.parse(line) as { connection?: { client: { ip?: string; port?: number } } };
    if (connection === undefined) return;
    const key = `${connection.client.ip} ${connection.client.port}`;
    if (!this.#lineMs.has(key)) this.#lineMs.set(key, nowMs);
  }
}

function print(births: readonly Birth[], watch: Watch): void {
  const lines = births.map((birth) => watch.lineMs(birth));
  const latencies = births.flatMap((birth, at) =>
    lines[at] === undefined ? [] : [lines[at] - birth.bornMs],
  );
  const sorted = latencies.toSorted((a, b) => a - b);
  const p99 = sorted[Math.ceil(sorted.length * 0.99) - 1] ?? Number.NaN;
  printTable([
    ["ms from birth to line", "median", "p99", "most", "connections", "without a line"],
    [
      "kubectl whotalks watch",
      median(sorted).toFixed(0),
      p99.toFixed(0),
      (sorted.at(-1) ?? Number.NaN).toFixed(0),
      String(births.length),
      String(births.length - sorted.length),
    ],
  ]);
}
