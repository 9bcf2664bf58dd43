// A host outside the cluster, if E2E_WORLD has a command for one: it runs the same programs as the pods.

import { type ChildProcess, spawn } from "node:child_process";
import type os from "node:os";
import type { TestContext } from "node:test";
import type { Lifetime } from "./claim.ts";
import { must } from "./command.ts";
import { environment } from "./environment.ts";
import { openIn, type OwnConnection } from "./truth.ts";
import { byFamily, filled, programArguments, type Target } from "./workload.ts";

/** Whether there is such a host; if not, skips the claim with the reason. */
export function hasWorld(t: TestContext): boolean {
  if (environment.world !== "") return true;
  t.skip("E2E_WORLD names no host outside the cluster");
  return false;
}

/** The command that runs something there. */
function outside(args: readonly string[]): [program: string, args: string[]] {
  const [program = "", ...words] = environment.world.split(/\s+/);
  return [program, [...words, environment.worldNode, ...args]];
}

/** The outside host's own addresses, one per family. */
export async function worldAddresses(): Promise<{ ipv4?: string; ipv6?: string }> {
  const [program, args] = outside(["-p", "JSON.stringify(require('os').networkInterfaces())"]);
  const interfaces = JSON.parse(await must(program, args)) as ReturnType<typeof os.networkInterfaces>;
  const usable = Object.values(interfaces)
    .flatMap((each) => each ?? [])
    .filter((each) => !each.internal && !each.address.startsWith("fe80:"));
  return byFamily(usable.map((each) => each.address));
}

/** A program that runs outside until the claim ends. */
export interface WorldProgram {
  /** The connections that it reports as open. */
  openConnections(): OwnConnection[];
}

/** Serves outside on a port, by TCP and UDP. */
export function serveInWorld(lifetime: Lifetime, port: number): WorldProgram {
  return startInWorld(lifetime, programArguments("server", { host: "::", port, udp: true }));
}

/** Keeps connections from outside. */
export function callFromWorld(lifetime: Lifetime, ...targets: readonly Target[]): WorldProgram {
  return startInWorld(lifetime, programArguments("client", filled(targets)));
}

function startInWorld(lifetime: Lifetime, words: readonly string[]): WorldProgram {
  const [command, args] = outside(words);
  const child: ChildProcess = spawn(command, args, { stdio: ["ignore", "pipe", "inherit"] });
  lifetime.after(() => child.kill());
  let output = "";
  child.stdout?.setEncoding("utf8").on("data", (text: string) => (output += text));
  return { openConnections: () => openIn(output.split("\n").slice(0, -1)) };
}
