// Run by short-processes.test.ts in pid and network namespaces of its own: processes that connect and are
// gone before any pass could find them, and what an agent that hears them reports of each.

import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { copyFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import type { AddressInfo } from "node:net";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import path from "node:path";

import type { ProcessInfo } from "../../../../lib/gen/whotalks/v1/report.ts";
import { check, checksDone } from "../../../../lib/testing/child-checks.ts";
import { until } from "../../../../lib/testing/eventually.ts";
import type { EndedSocket } from "../../testing/folded-reports.ts";
import { HearingAgent } from "./hearing-agent.ts";

execFileSync("ip", ["link", "set", "lo", "up"]);
const server = createServer((socket) => socket.on("error", () => undefined).resume()).listen(0, "127.0.0.1");
await once(server, "listening");
const { port } = server.address() as AddressInfo;
const connect = `exec 3<>/dev/tcp/127.0.0.1/${port}`;

// bash by another name.
const directory = mkdtempSync(path.join(tmpdir(), "whotalks-short-"));
const talker = path.join(directory, "talker");
copyFileSync("/bin/bash", talker);

await using agent = new HearingAgent();
const { folded } = agent;
await agent.pass();

/** A program that prints one word per line, and continues on request. */
class Program {
  readonly #child: ChildProcess;
  #said = "";
  #words = 0;

  constructor(...command: readonly string[]) {
    const [program, ...words] = command;
    this.#child = spawn(program!, words, { stdio: ["pipe", "pipe", "inherit"] });
    this.#child.stdout!.on("data", (data: Buffer) => (this.#said += data.toString()));
  }

  get pid(): number {
    return this.#child.pid!;
  }

  async word(): Promise<string> {
    const lines = await until("it says a word", () => {
      const said = this.#said.split("\n");
      return said.length > this.#words + 1 && said;
    });
    return lines[this.#words++]!;
  }

  goOn(): void {
    this.#child.stdin!.write("\n");
  }

  /** Waits for its end, once it has read everything. */
  async end(): Promise<void> {
    this.#child.stdin!.end();
    await until("it ends", () => this.#child.exitCode !== null);
  }
}

/** Runs a program to its end. */
async function run(...command: readonly string[]): Promise<number> {
  const program = new Program(...command);
  await program.end();
  return program.pid;
}

/** Sockets that are over, those in TIME_WAIT among them. */
function over(): EndedSocket[] {
  const timeWaits = [...folded.sockets.values()].filter(({ isTimeWait }) => isTimeWait);
  return [...folded.ended, ...timeWaits.map((socket) => ({ ...socket, heldBy: folded.heldBy(socket) }))];
}

const taken = new Set<number>();

/** The next connection to the server that is over, at its client's end: who is said to have made it. */
async function nextClient(): Promise<ProcessInfo> {
  const client = await until("the connection is reported", () =>
    over().find(({ remote, cookie }) => remote === `127.0.0.1:${port}` && !taken.has(cookie)),
  );
  taken.add(client.cookie);
  assert.equal(client.heldBy.length, 1, "it has one holder");
  assert.deepEqual(folded.contradictions, []);
  return client.heldBy[0]!;
}

const isOfServer = (address: string): boolean => address.endsWith(":8080");

/** Both ends of connections on port 8080 that are over. */
function endsOfNewNamespace(): EndedSocket[] {
  const connections = over().filter(({ remote }) => !remote.endsWith(":0"));
  return connections.filter(({ local, remote }) => isOfServer(local) !== isOfServer(remote));
}

const parentOf = (pid: number): number =>
  Number(/^PPid:\s*(\d+)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))![1]);
const childrenOf = (pid: number): number[] =>
  readdirSync("/proc")
    .filter((name) => /^\d+$/.test(name) && parentOf(Number(name)) === pid)
    .map(Number);

await check("a process that connects and ends is named, with its parent and its owner", async () => {
  const pid = await run("bash", "-c", connect);
  const { pid: found, name, parentPid, uid, startTicks } = await nextClient();
  assert.deepEqual([found, name, parentPid, uid], [pid, "bash", process.pid, process.getuid!()]);
  assert.ok(startTicks > 0);
});

await check("the owner is the process's", async () => {
  await run("setpriv", "--reuid", "1234", "--clear-groups", "bash", "-c", connect);
  const { name, uid } = await nextClient();
  assert.deepEqual([name, uid], ["bash", 1234]);
});

await check("a child is named after the program that it became", async () => {
  const child = new Program("sh", "-c", `"${talker}" -c '${connect}; echo $$'; :`);
  const pid = Number(await child.word());
  await child.end();
  const { pid: found, name, parentPid } = await nextClient();
  assert.deepEqual([found, name, parentPid], [pid, "talker", child.pid]);
});

await check(
  "a process that becomes another program between two connections is one by its new name",
  async () => {
    const second = `exec 4<>/dev/tcp/127.0.0.1/${port}; echo; read`;
    const child = new Program("bash", "-c", `${connect}; echo; read; exec "${talker}" -c '${second}'`);
    await child.word();
    const living = (): string[] =>
      [...folded.sockets.values()]
        .filter(({ remote }) => remote === `127.0.0.1:${port}`)
        .flatMap((socket) => folded.heldBy(socket).map(({ pid, name }) => `${pid} ${name}`));
    await until("the first is reported", () => living().length === 1);
    assert.deepEqual(living(), [`${child.pid} bash`]);
    child.goOn();
    await child.word();
    await until("the second is reported", () => living().length === 2);
    assert.deepEqual(living(), [`${child.pid} talker`, `${child.pid} talker`]);
    await child.end();
    assert.deepEqual([(await nextClient()).name, (await nextClient()).name], ["talker", "talker"]);
  },
);

await check("a thread with a name of its own is its process", async () => {
  const script = `
    const { Worker } = require("node:worker_threads");
    const code = \`require("node:net").connect(${port}, "127.0.0.1", function () { this.end(); }).resume();\`;
    const worker = new Worker(code, { eval: true, name: "dialer" });
    worker.on("exit", () => { console.log("done"); process.stdin.resume(); });`;
  const child = new Program(process.execPath, "-e", script);
  await child.word();
  const ofProcess = readFileSync(`/proc/${child.pid}/comm`, "utf8").trim();
  const { pid, name } = await nextClient();
  assert.deepEqual([pid, name], [child.pid, ofProcess]);
  await child.end();
});

await check("a process of a nested pid namespace has its number in ours", async () => {
  const child = new Program("unshare", "--pid", "--fork", talker, "-c", `echo $$; read; ${connect}`);
  assert.equal(await child.word(), "1");
  const [pid] = childrenOf(child.pid);
  child.goOn();
  await child.end();
  const { pid: found, name, parentPid } = await nextClient();
  assert.deepEqual([found, name, parentPid], [pid, "talker", child.pid]);
});

await check("an attempt that is refused is that of who made it", async () => {
  const pid = await run("bash", "-c", "{ : 3<>/dev/tcp/127.0.0.1/1; } 2>/dev/null; true");
  const refused = await until("it is reported", () =>
    folded.ended.find(({ remote }) => remote === "127.0.0.1:1"),
  );
  assert.deepEqual(
    refused.heldBy.map((process) => [process.pid, process.name]),
    [[pid, "bash"]],
  );
});

await check("a listener that is gone before any pass is that of who listened", async () => {
  const script = `require("node:net").createServer().listen(4321, "127.0.0.1", function () { this.close(); })`;
  const pid = await run(process.execPath, "-e", script);
  const listener = await until("it is reported", () =>
    folded.ended.find(({ local }) => local === "127.0.0.1:4321"),
  );
  assert.deepEqual(
    listener.heldBy.map((process) => process.pid),
    [pid],
  );
});

await check(
  "connections of a namespace from before its first reading are reported once, with who made them",
  async () => {
    const script = `
    const { createServer, connect } = require("node:net");
    const server = createServer((socket) => socket.resume().on("end", () => socket.end())).listen(8080, "127.0.0.1", async () => {
      for (let count = 0; count < 5; count++)
        await new Promise((closed) => connect(8080, "127.0.0.1", function () { this.end(); }).resume().on("close", closed));
      console.log("done");
      process.stdin.resume().on("end", () => process.exit());
    });`;
    const inside = `ip link set lo up; exec "${process.execPath}" -e '${script}'`;
    const child = new Program("unshare", "--net", "bash", "-c", inside);
    assert.equal(await child.word(), "done");
    await agent.pass();
    await until("all are reported", () => endsOfNewNamespace().length >= 10);
    const tuples = endsOfNewNamespace().map(({ local, remote }) => `${local} ${remote}`);
    assert.deepEqual([tuples.length, new Set(tuples).size], [10, 10]);
    const pids = endsOfNewNamespace().map(({ heldBy }) => heldBy.map(({ pid }) => pid).join());
    assert.deepEqual(new Set(pids), new Set([`${child.pid}`]));
    await agent.pass();
    assert.equal(endsOfNewNamespace().length, 10);
    assert.deepEqual(folded.contradictions, []);
    await child.end();
  },
);

server.close();
rmSync(directory, { recursive: true });
checksDone();
