// conntrack's events: the cost of listening, for the listener and for the load, for us and for `conntrack -E`,
// at this machine's highest rate and at an ordinary one. The load is a C program that is compiled here.

import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { ConntrackNamespace } from "../../services/node-agent/conntrack/testing/flows.ts";
import { median, printTable, Worker } from "../measure.ts";

/** Connections per second; 0 means as many as possible. */
const rates = [0, 5000];
const ROUNDS = 5;
const LOAD_SECONDS = 3;
const DRAIN_MS_MAX = 10_000;

/** Socket buffer of `conntrack -E`: the maximum size of ours. */
const TOOL_BUFFER_BYTES = 64 * 2 ** 20;

const WANTED =
  "wanted: every NEW received; CPU per event at most 0.33 × conntrack -E's; slowed by at most 10 % at the full rate, 2 % at 5000/s";

/** What a listener received during one run of the load. */
interface Heard {
  /** NEW events, events of both kinds, CPU milliseconds. */
  readonly fresh: number;
  readonly events: number;
  readonly cpuMs: number;
}

/** Listens while `load` runs. */
type Listener = (load: () => Promise<void>) => Promise<Heard>;

/** Measures and prints. */
export async function measureEvents(): Promise<void> {
  const directory = mkdtempSync(path.join(tmpdir(), "whotalks-bench-"));
  try {
    const generator = compile(directory);
    if (generator === null) {
      console.log("SKIP events: no C compiler (cc or gcc) for the load");
      return;
    }
    using namespace = await new ConntrackNamespace().ready();
    // A rule that matches on connections makes the kernel track them; entries expire one second after their
    // connection.
    namespace.run("iptables", "-A", "OUTPUT", "-m", "conntrack", "--ctstate", "NEW");
    namespace.run("sysctl", "-qw", "net.netfilter.nf_conntrack_tcp_timeout_close=1");
    const worker = new Worker(path.join(import.meta.dirname, "our-events.ts"), namespace.pid);
    const listeners: Record<string, Listener> = {
      nobody: async (load) => {
        await load();
        return { fresh: 0, events: 0, cpuMs: 0 };
      },
      whotalks: (load) => weListen(worker, namespace, load),
      "`conntrack -E`": (load) => toolListens(namespace, path.join(directory, "events"), load),
    };
    for (const rate of rates) await compareAt(rate, generator, namespace, listeners);
    console.log(WANTED);
    worker.close();
  } finally {
    rmSync(directory, { recursive: true });
  }
}

function compile(directory: string): string | null {
  const program = path.join(directory, "connection-generator");
  const source = path.join(import.meta.dirname, "connection-generator.c");
  for (const compiler of ["cc", "gcc"]) {
    try {
      execFileSync(compiler, ["-O2", "-o", program, source], { stdio: "ignore" });
      return program;
    } catch {
      // The next one, if any.
    }
  }
  return null;
}

async function compareAt(
  rate: number,
  generator: string,
  namespace: ConntrackNamespace,
  listeners: Readonly<Record<string, Listener>>,
): Promise<void> {
  console.error(rate === 0 ? "measuring at the full rate" : `measuring at ${rate} connections/s`);
  const samples = new Map<string, Samples>(
    Object.keys(listeners).map((name) => [name, { perSecond: [], busy: [], perEvent: [], lost: 0, made: 0 }]),
  );
  // One extra round: the first one warms up and does not count.
  for (let round = 0; round <= ROUNDS; round++) {
    for (const [name, listen] of Object.entries(listeners)) {
      namespace.run("conntrack", "-F");
      let made = { connections: 0, perSecond: 0, busyNs: 0 };
      const counted = trackedConnections(namespace);
      const heard = await listen(async () => {
        made = await generate(generator, namespace, rate);
      });
      const tracked = trackedConnections(namespace) - counted;
      if (tracked !== made.connections)
        throw new Error(`conntrack tracked ${tracked} connections of ${made.connections}`);
      if (round === 0) continue;
      const sample = samples.get(name)!;
      sample.perSecond.push(made.perSecond);
      sample.busy.push(made.busyNs / 1000);
      if (heard.events > 0) sample.perEvent.push((heard.cpuMs * 1000) / heard.events);
      sample.made += tracked;
      sample.lost += tracked - heard.fresh;
    }
  }
  print(rate, samples);
}

interface Samples {
  /**
   * Connections per second; microseconds of work per connection; the listener's microseconds of CPU per event.
   */
  perSecond: number[];
  busy: number[];
  perEvent: number[];
  made: number;
  lost: number;
}

function print(rate: number, samples: ReadonlyMap<string, Samples>): void {
  const quiet = samples.get("nobody")!;
  const tool = samples.get("`conntrack -E`")!;
  // Rounds are interleaved: each is compared with the one of the same turn.
  const slowed = ({ busy }: Samples): number =>
    median(busy.map((each, round) => each / quiet.busy[round]! - 1));
  const head = rate === 0 ? "listening, at the full rate" : `listening, at ${rate} connections/s`;
  printTable([
    [
      head,
      "connections/s",
      "µs each",
      "slowed",
      "NEW tracked",
      "NEW received",
      "CPU µs/event",
      "× `conntrack -E`",
    ],
    ...[...samples].map(([name, sample]) => {
      const cells = [name, median(sample.perSecond).toFixed(0), median(sample.busy).toFixed(1)];
      if (sample === quiet) return [...cells, "", String(sample.made), "", "", ""];
      return [
        ...cells,
        `${(100 * slowed(sample)).toFixed(1)} %`,
        String(sample.made),
        String(sample.made - sample.lost),
        median(sample.perEvent).toFixed(2),
        (median(sample.perEvent) / median(tool.perEvent)).toFixed(2),
      ];
    }),
  ]);
}

// conntrack's own count: packets that began a connection, from the rule's counter.
function trackedConnections(namespace: ConntrackNamespace): number {
  return Number(
    /^\s*(\d+)/m.exec(namespace.run("iptables", "-nvxL", "OUTPUT").split("\n").slice(2).join("\n"))![1],
  );
}

async function generate(generator: string, namespace: ConntrackNamespace, rate: number) {
  const child = spawn(
    "ip",
    ["netns", "exec", namespace.name, generator, String(rate), String(LOAD_SECONDS)],
    {
      stdio: ["ignore", "pipe", "inherit"],
    },
  );
  let output = "";
  for await (const chunk of child.stdout) output += String(chunk);
  const [connections, elapsedNs, busyNs] = output.trim().split(" ").map(Number) as [number, number, number];
  return { connections, perSecond: connections / (elapsedNs / 1e9), busyNs: busyNs / connections };
}

async function weListen(
  worker: Worker,
  namespace: ConntrackNamespace,
  load: () => Promise<void>,
): Promise<Heard> {
  await worker.round();
  await load();
  await drained(namespace);
  const { added, events, cpuMs } = (await worker.round()) as Record<"added" | "events" | "cpuMs", number>;
  return { fresh: added, events, cpuMs };
}

async function toolListens(
  namespace: ConntrackNamespace,
  file: string,
  load: () => Promise<void>,
): Promise<Heard> {
  const words = ["-E", "-e", "NEW,DESTROY", "-b", String(TOOL_BUFFER_BYTES)];
  const command = `exec ip netns exec ${namespace.name} conntrack ${words.join(" ")} > ${file} 2>/dev/null`;
  const child = spawn("bash", ["-c", command], { stdio: "ignore" });
  const exited = new Promise((resolve) => child.once("close", resolve));
  while (!netlinkSockets(namespace).some(({ groups }) => groups !== 0)) await sleep(10);
  await load();
  await drained(namespace);
  // It writes in blocks: it prints the remainder when it exits.
  const cpuMs = Number(readFileSync(`/proc/${child.pid}/schedstat`, "utf8").split(" ")[0]) / 1e6;
  child.kill("SIGINT");
  await exited;
  const lines = statSync(file).size === 0 ? [] : readFileSync(file, "latin1").trimEnd().split("\n");
  return { fresh: lines.filter((line) => line.includes("[NEW]")).length, events: lines.length, cpuMs };
}

async function drained(namespace: ConntrackNamespace): Promise<void> {
  const start = performance.now();
  while (netlinkSockets(namespace).some(({ waitingBytes }) => waitingBytes > 0)) {
    if (performance.now() - start > DRAIN_MS_MAX) throw new Error("events are not taken");
    await sleep(20);
  }
}

// Sockets that listen to conntrack (protocol 12): "sk Eth Pid Groups Rmem Wmem …".
function netlinkSockets(namespace: ConntrackNamespace): { groups: number; waitingBytes: number }[] {
  return readFileSync(`/proc/${namespace.pid}/net/netlink`, "utf8")
    .split("\n")
    .map((line) => line.trim().split(/\s+/))
    .filter(([, protocol]) => protocol === "12")
    .map(([, , , groups, rmem]) => ({ groups: Number.parseInt(groups!, 16), waitingBytes: Number(rmem) }));
}
