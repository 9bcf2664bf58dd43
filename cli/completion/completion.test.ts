import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { execFile, spawn, spawnSync } from "node:child_process";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { type ApiServer, startApiServer } from "../testing/api-server.ts";
import { runCli } from "../testing/run-cli.ts";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
/** A shell that has not answered by then has hung. */
const SHELL_MS_MAX = 30_000;

let api: ApiServer;
let directory = "";
before(async () => {
  api = await startApiServer([
    "/api/v1/namespaces/shop",
    "/api/v1/namespaces/kube-system",
    "/apis/apps/v1/namespaces/shop/deployments/web",
    "/apis/apps/v1/namespaces/shop/deployments/worker",
    "/apis/apps/v1/namespaces/kube-system/deployments/coredns",
    "/api/v1/namespaces/shop/pods/web-0",
  ]);
  directory = mkdtempSync(path.join(tmpdir(), "whotalks-completion-"));
  writeFileSync(path.join(directory, "config"), api.kubeconfig);
  // What is typed is printed instead of run.
  const program = path.join(directory, "whotalks");
  writeFileSync(
    program,
    `#!/bin/sh
case "$1" in completion|__complete) exec '${process.execPath}' '${main}' "$@";; esac
printf 'ran: <%s>\\n' "$*"
`,
  );
  chmodSync(program, 0o755);
});
after(async () => {
  await api[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const environment = (): Record<string, string> => ({ KUBECONFIG: path.join(directory, "config") });

async function completions(...words: readonly string[]): Promise<string[]> {
  const run = await runCli(["__complete", ...words], { environment: environment() });
  assert.deepEqual([run.stderr, run.exitCode], ["", 0]);
  return run.stdout.trimEnd().split("\n");
}

describe("__complete", () => {
  const cases: ReadonlyArray<readonly [words: readonly string[], completions: readonly string[]]> = [
    [
      ["-n", "s"],
      ["shop", ":4"],
    ],
    [
      ["-n=shop", "edges", "--namespace=ku"],
      ["--namespace=kube-system", ":4"],
    ],
    [["deploy/w"], ["deploy/web", "deploy/worker", ":4"]],
    [
      ["edges", "-n", "kube-system", "deploy/"],
      ["deploy/coredns", ":4"],
    ],
    [
      ["edges", "-A", "deployments/"],
      ["deployments/coredns", "deployments/web", "deployments/worker", ":4"],
    ],
    [["kube-system/deploy/"], ["kube-system/deploy/coredns", ":4"]],
    [
      ["get", "conn", "pod", ""],
      ["web-0", ":4"],
    ],
    [
      ["edges", "pods", ""],
      ["web-0", ":4"],
    ],
    [
      ["--to", "pod/"],
      ["pod/web-0", ":4"],
    ],
    [
      ["--to", "deploy/web,deploy/wo"],
      ["deploy/web,deploy/worker", ":4"],
    ],
    [
      ["--context", ""],
      ["c", ":4"],
    ],
    [["po"], ["pod/", ":6"]],
    [
      ["edges", "-o", "js"],
      ["json", "jsonpath=", "jsonpath-as-json=", ":6"],
    ],
    [
      ["version", "-o", ""],
      ["text", "wide", "json", "yaml", ":4"],
    ],
    [
      ["--protocol", "tcp,ic"],
      ["tcp,icmp", "tcp,icmpv6", ":4"],
    ],
    [
      ["coverage", "--sort", "eve"],
      ["events", ":4"],
    ],
    [["--kubeconfig", ""], [":0"]],
    [
      ["completion", ""],
      ["bash", "zsh", "fish", "kubectl", ":4"],
    ],
    [["coverage", ""], [":4"]],
    [
      ["local", "ed"],
      ["edges", ":4"],
    ],
    [["local", "deploy/"], [":4"]],
    [
      ["local", "edges", "un"],
      ["unit/", "unknown", ":6"],
    ],
    [
      ["--no-such-flag", "deploy/we"],
      ["deploy/web", ":4"],
    ],
  ];
  for (const [words, expected] of cases) {
    it(`'${words.join(" ")}'`, async () => assert.deepEqual(await completions(...words), expected));
  }

  it("describes commands and flags", async () => {
    assert.deepEqual(await completions("cov"), [
      "coverage\twhat was read, how lately and how completely",
      ":4",
    ]);
    assert.deepEqual(await completions("edges", "--open"), ["--open\tleave closed connections out", ":4"]);
  });

  it("is silent where the cluster does not answer, and soon", async (t) => {
    t.after(() => (api.silent = false));
    api.silent = true;
    const beginMs = performance.now();
    assert.deepEqual(await completions("deploy/"), [":4"]);
    assert.ok(performance.now() - beginMs < 10_000);
  });

  it("is silent without a kubeconfig, and without rights", async (t) => {
    const run = await runCli(["__complete", "pod/"], { environment: { KUBECONFIG: "/no/such/file" } });
    assert.deepEqual([run.stdout, run.stderr, run.exitCode], [":4\n", "", 0]);
    t.after(() => (api.forbidden = () => false));
    api.forbidden = () => true;
    assert.deepEqual(await completions("pod/"), [":4"]);
  });
});

it("completion takes the name of a shell", async () => {
  for (const [words, message] of [
    [[], /completion takes a shell: one of bash, zsh, fish, kubectl/],
    [["csh"], /completion takes one of bash, zsh, fish, kubectl, not 'csh'/],
    [["bash", "x"], /completion takes one word, and 'x' is one too many/],
  ] as const) {
    const run = await runCli(["completion", ...words]);
    assert.match(run.stderr, message);
    assert.equal(run.exitCode, 2);
  }
});

it("kubectl's program runs the plugin", async () => {
  const run = await runCli(["completion", "kubectl"]);
  const program = path.join(directory, "kubectl_complete-whotalks");
  writeFileSync(program, run.stdout);
  chmodSync(program, 0o755);
  writeFileSync(path.join(directory, "kubectl"), `#!/bin/sh\nshift\nexec whotalks "$@"\n`);
  chmodSync(path.join(directory, "kubectl"), 0o755);
  const completed = await promisify(execFile)(program, ["deploy/we"], {
    env: { ...environment(), PATH: `${directory}:${process.env["PATH"]}` },
  });
  assert.equal(completed.stdout, "deploy/web\n:4\n");
});

const starts: ReadonlyArray<readonly [shell: string, command: string, setup: string]> = [
  ["bash", "bash --norc --noprofile -i", "source <(whotalks completion bash)"],
  ["zsh", "zsh -f -i", "autoload -U compinit; compinit -u -D; source <(whotalks completion zsh)"],
  ["fish", "fish --no-config -i", "whotalks completion fish | source"],
];
const lines: ReadonlyArray<readonly [typed: string, ran: string]> = [
  ["edges --protoco\t tcp", "edges --protocol tcp"],
  ["listen\t", "listeners"],
  ["-n kube\t conn", "-n kube-system conn"],
  ["edges deploy/we\t", "edges deploy/web"],
  ["edges kube-system/deploy/\t -A", "edges kube-system/deploy/coredns -A"],
  ["edges --protocol=igm\t", "edges --protocol=igmp"],
  ["po\tweb-\t", "pod/web-0"],
];

for (const [shell, command, setup] of starts) {
  const missing = [shell, "script"].find((program) => spawnSync(program, ["--version"]).status !== 0);
  const skip = missing === undefined ? false : `${missing} is not installed`;
  it(`completes in ${shell}`, { skip }, async () => {
    const typed = [setup, ...lines.map(([line]) => `whotalks ${line}`), "exit"];
    const screen = await typeInto(command, typed);
    const ran = [...screen.matchAll(/ran: <([^>]*)>/g)].map((match) => match[1]!.trimEnd());
    assert.deepEqual(
      ran,
      lines.map(([, line]) => line),
      screen,
    );
  });
}

// Types lines into a shell on a pseudo-terminal, ahead of what it runs, and returns what it showed.
async function typeInto(command: string, typed: readonly string[]): Promise<string> {
  const child = spawn("script", ["-qfec", `stty cols 200; exec ${command}`, "/dev/null"], {
    env: {
      ...environment(),
      PATH: `${directory}:${process.env["PATH"]}`,
      HOME: directory,
      TERM: "xterm",
      SHELL: "/bin/sh",
    },
  });
  let screen = "";
  child.stdout.setEncoding("utf8").on("data", (data: string) => (screen += data));
  child.stdin.on("error", () => {});
  const timer = setTimeout(() => child.kill("SIGKILL"), SHELL_MS_MAX);
  const ended = new Promise((resolve) => child.on("close", resolve));
  child.stdin.write(typed.map((line) => `${line}\r`).join(""));
  await ended;
  clearTimeout(timer);
  return screen;
}
