import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, describe, it } from "node:test";

import { createProcessScanner, UNKNOWN_UID } from "./scan.ts";

const roots: string[] = [];
after(() => roots.forEach((root) => rmSync(root, { recursive: true })));

interface Saved {
  readonly stat?: string;
  readonly comm?: string;
  readonly status?: string;
  readonly cgroup?: string;
  readonly namespace?: number;
  readonly namespaceFile?: number;
  readonly net?: boolean;
}

function savedTree(processes: Record<string, Saved>): string {
  const root = mkdtempSync(path.join(tmpdir(), "whotalks-proc-"));
  roots.push(root);
  for (const [pid, saved] of Object.entries(processes)) {
    const directory = path.join(root, pid);
    mkdirSync(path.join(directory, "ns"), { recursive: true });
    for (const name of ["stat", "comm", "status", "cgroup"] as const) {
      if (saved[name] !== undefined) writeFileSync(path.join(directory, name), saved[name]);
    }
    if (saved.namespace !== undefined)
      symlinkSync(`net:[${saved.namespace}]`, path.join(directory, "ns/net"));
    if (saved.namespaceFile !== undefined)
      writeFileSync(path.join(directory, "ns/net"), `net:[${saved.namespaceFile}]\n`);
    if (saved.net === true) mkdirSync(path.join(directory, "net"));
  }
  return root;
}

function stat(pid: number, name: string, state = "S", parentPid = 1, start = 100): string {
  return `${pid} (${name}) ${state} ${parentPid} 1 1 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 11 0 ${start} 50159616 4472 1 1 0\n`;
}

const CONTAINER = "7b21e937d1d6e41aec6112a65f7aa838dc48a55ef4c249b6e7782d40d772a38d";

describe("a saved tree", () => {
  it("returns processes, their containers and namespaces", () => {
    const root = savedTree({
      1: {
        stat: stat(1, "systemd", "S", 0),
        namespace: 4026531840,
        cgroup: "0::/init.scope\n",
        status: "Uid:\t0\t0\t0\t0\n",
      },
      30: {
        stat: stat(30, "a b) c", "S", 1),
        namespaceFile: 4026532790,
        cgroup: `0::/docker/${CONTAINER}\n`,
      },
      4: { stat: stat(4, "node"), namespace: 4026532790 },
      notes: { comm: "no process" },
    });
    const { processes, namespaces, unreadable, limits } = createProcessScanner({ procRoot: root }).scan();
    assert.deepEqual([...processes.keys()], [1, 4, 30]);
    assert.deepEqual(processes.get(1), {
      pid: 1,
      startTicks: 100,
      parentPid: 0,
      name: "systemd",
      exe: "",
      uid: 0,
      namespaceInode: 4026531840,
      containerId: "",
      podUid: "",
      unit: "init.scope",
      cgroup: 0,
      mountNamespace: 0,
    });
    const contained = processes.get(30)!;
    assert.deepEqual(
      [contained.name, contained.containerId, contained.uid],
      ["a b) c", CONTAINER, UNKNOWN_UID],
    );
    assert.deepEqual(namespaces, [
      { inode: 4026531840, host: true, pids: [1] },
      { inode: 4026532790, host: false, pids: [4, 30] },
    ]);
    assert.deepEqual([unreadable, limits], [0, []]);
  });

  it("without links to namespaces is one namespace of those that have tables", () => {
    const root = savedTree({
      5: { comm: "a\nb\n", net: true },
      6: { status: "Name:\tb\\nc\n" },
      7: { comm: "c\n", net: true },
    });
    const { processes, namespaces, unreadable } = createProcessScanner({ procRoot: root }).scan();
    assert.deepEqual(
      [...processes.values()].map(({ name }) => name),
      ["a\nb", "b\nc", "c"],
    );
    assert.deepEqual(namespaces, [{ inode: 0, host: false, pids: [5, 7] }]);
    assert.equal(unreadable, 1);
  });

  it("counts processes whose link makes no sense, and leaves out zombies and empty directories", () => {
    const root = savedTree({
      1: { stat: stat(1, "init"), namespace: 1 },
      2: { stat: stat(2, "odd") },
      3: { stat: stat(3, "dead", "Z"), namespace: 1 },
      4: {},
      5: { stat: "nonsense", namespace: 1 },
    });
    symlinkSync("mnt:[1]", path.join(root, "2/ns/net"));
    const { processes, namespaces, unreadable } = createProcessScanner({ procRoot: root }).scan();
    assert.deepEqual([...processes.keys()], [1, 2]);
    assert.deepEqual(namespaces, [{ inode: 1, host: true, pids: [1] }]);
    assert.equal(unreadable, 1);
  });

  it("reads the container again when a process becomes another program", () => {
    const root = savedTree({ 9: { stat: stat(9, "runc"), namespace: 1, cgroup: "0::/\n" } });
    const scanner = createProcessScanner({ procRoot: root });
    const first = scanner.scan().processes.get(9)!;
    assert.equal(scanner.scan().processes.get(9), first);
    writeFileSync(path.join(root, "9/cgroup"), `0::/docker/${CONTAINER}\n`);
    writeFileSync(path.join(root, "9/stat"), stat(9, "node"));
    assert.equal(scanner.scan().processes.get(9)!.containerId, CONTAINER);
  });

  it("reads the container again after a while without a sign of change", () => {
    const root = savedTree({ 9: { stat: stat(9, "node"), namespace: 1, cgroup: "0::/\n" } });
    const scanner = createProcessScanner({ procRoot: root });
    scanner.scan();
    writeFileSync(path.join(root, "9/cgroup"), `0::/docker/${CONTAINER}\n`);
    const passes = Array.from({ length: 30 }, () => scanner.scan().processes.get(9)!.containerId);
    assert.ok(passes.includes(CONTAINER));
  });

  it("that is none is a limit", () => {
    const empty = savedTree({});
    assert.match(createProcessScanner({ procRoot: empty }).scan().limits.join(), /holds no process/);
    const missing = createProcessScanner({ procRoot: path.join(empty, "missing") }).scan();
    assert.match(missing.limits.join(), /cannot be read \(ENOENT\)/);
    assert.deepEqual([missing.processes.size, missing.namespaces], [0, []]);
    const file = createProcessScanner({ procRoot: import.meta.filename }).scan();
    assert.match(file.limits.join(), /cannot be read \(ENOTDIR\)/);
  });
});

describe("the running kernel", () => {
  it("finds this process", () => {
    const { processes, namespaces } = createProcessScanner({ procRoot: "/proc" }).scan();
    const own = processes.get(process.pid)!;
    assert.equal(own.parentPid, process.ppid);
    assert.equal(own.uid, process.getuid!());
    assert.equal(own.exe, readlinkSync("/proc/self/exe"));
    assert.equal(`net:[${own.namespaceInode}]`, readlinkSync("/proc/self/ns/net"));
    const namespace = namespaces.find(({ inode }) => inode === own.namespaceInode);
    assert.ok(namespace?.pids.includes(process.pid));
  });

  it("finds the namespace of processes whose link may not be read, by their tables", async (t) => {
    if (process.getuid!() !== 0) return t.skip("needs root to become someone else");
    const script = new URL("testing/unprivileged-scan.ts", import.meta.url).pathname;
    const child = spawn(process.execPath, [script], {
      uid: 65534,
      gid: 65534,
      stdio: ["ignore", "pipe", "inherit"],
    });
    const [output] = (await once(child.stdout, "data")) as [Buffer];
    const seen = JSON.parse(output.toString()) as { own: number; other: number; limits: string[] };
    assert.equal(seen.other, seen.own);
    assert.ok(seen.own > 0);
  });
});
