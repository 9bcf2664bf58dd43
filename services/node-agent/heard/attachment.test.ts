// What is attached to the kernel goes with the agent, however it ends.

import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readdirSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, it } from "node:test";

import { until } from "../../../lib/testing/eventually.ts";
import { bpf } from "../kernel/bpf/bpf-syscall.ts";
import { ENOENT, EPERM } from "../kernel/constants.ts";
import type { SyscallError } from "../kernel/syscalls.ts";
import { withoutEvents } from "./testing/without-events.ts";

// enum bpf_cmd of include/uapi/linux/bpf.h.
const BPF_PROG_GET_NEXT_ID = 11;

const script = path.join(import.meta.dirname, "testing/attached-agent.ts");

/** Ids of all programs that the kernel has; null if this process may not know (that needs SYS_ADMIN). */
function loadedPrograms(): Set<number> | null {
  const ids = new Set<number>();
  for (let id = 0; ;) {
    // What is asked after, and where the answer is.
    const attributes = Uint32Array.of(id, 0, 0);
    try {
      bpf(BPF_PROG_GET_NEXT_ID, attributes);
    } catch (error) {
      const { errorNumber } = error as SyscallError;
      if (errorNumber === ENOENT) return ids;
      if (errorNumber === EPERM) return null;
      throw error;
    }
    id = attributes[1]!;
    ids.add(id);
  }
}

/** A program that a process holds. */
interface HeldProgram {
  readonly id: number;
  /** The tracepoint that it is attached to; empty for iterators. */
  readonly tracepoint: string;
}

function programsOf(pid: number | string): HeldProgram[] {
  const held: HeldProgram[] = [];
  const directory = `/proc/${pid}/fdinfo`;
  for (const fd of readdirSync(directory)) {
    const text = readIfThere(`${directory}/${fd}`);
    const id = /^prog_id:\s*(\d+)$/m.exec(text);
    if (id !== null)
      held.push({ id: Number(id[1]), tracepoint: /^tp_name:\s*(\w+)$/m.exec(text)?.[1] ?? "" });
  }
  return held;
}

function readIfThere(file: string): string {
  try {
    return readFileSync(file, "utf8");
  } catch {
    return "";
  }
}

/**
 * Programs that came since `before` and that no living process holds: others on this machine load some, too.
 */
function leftBehind(before: ReadonlySet<number>): number[] {
  const held = new Set<number>();
  for (const pid of readdirSync("/proc").filter((name) => /^\d+$/.test(name))) {
    try {
      for (const { id } of programsOf(pid)) held.add(id);
    } catch {
      // It has ended.
    }
  }
  return [...loadedPrograms()!].filter((id) => !before.has(id) && !held.has(id));
}

async function startAgent(events: string) {
  const child = spawn(process.execPath, [script, events], { stdio: ["pipe", "pipe", "inherit"] });
  const says = async (word: string): Promise<void> => {
    const [line] = (await once(child.stdout, "data")) as [Buffer];
    assert.equal(line.toString().trim(), word);
  };
  await says("passed");
  const kill = async (): Promise<void> => {
    const exited = once(child, "exit");
    if (child.kill("SIGKILL")) await exited;
  };
  const close = async (): Promise<void> => {
    child.stdin.write("\n");
    await says("closed");
  };
  return { pid: child.pid!, kill, close, [Symbol.asyncDispose]: kill };
}

const tracepointsOf = (pid: number): string[] =>
  programsOf(pid)
    .map(({ tracepoint }) => tracepoint)
    .filter((name) => name !== "");

const areGone = (programs: readonly HeldProgram[]): boolean => {
  const loaded = loadedPrograms()!;
  return programs.every(({ id }) => !loaded.has(id));
};

const obstacle =
  withoutEvents() ||
  (loadedPrograms() === null ? "listing BPF programs needs the capability SYS_ADMIN" : false);

describe("what is attached to the kernel", { skip: obstacle }, () => {
  it("is one program on one tracepoint, and is gone when the agent is killed", async () => {
    const before = loadedPrograms()!;
    await using agent = await startAgent("auto");
    assert.deepEqual(tracepointsOf(agent.pid), ["inet_sock_set_state"]);
    const programs = programsOf(agent.pid);
    const loaded = loadedPrograms()!;
    assert.ok(programs.every(({ id }) => loaded.has(id) && !before.has(id)));
    await agent.kill();
    await until("its programs are gone", () => areGone(programs));
    await until("nothing is left behind", () => leftBehind(before).length === 0);
  });

  it("is gone when the agent is closed", async () => {
    const before = loadedPrograms()!;
    await using agent = await startAgent("auto");
    const attached = programsOf(agent.pid).filter(({ tracepoint }) => tracepoint !== "");
    assert.equal(attached.length, 1);
    await agent.close();
    await until("the program is gone", () => areGone(attached));
    assert.deepEqual(tracepointsOf(agent.pid), []);
    await agent.kill();
    await until("nothing is left behind", () => leftBehind(before).length === 0);
  });

  it("is nothing if events are off", async () => {
    const before = loadedPrograms()!;
    await using agent = await startAgent("off");
    assert.deepEqual(tracepointsOf(agent.pid), []);
    assert.ok(programsOf(agent.pid).length > 0, "it has not even iterators");
    await agent.kill();
    await until("nothing is left behind", () => leftBehind(before).length === 0);
  });
});
