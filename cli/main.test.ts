import assert from "node:assert/strict";
import { mkdtempSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { after, before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import { status } from "@grpc/grpc-js";
import { parse } from "yaml";
import { Connection } from "../lib/gen/whotalks/v1/query.ts";
import { until } from "../lib/testing/eventually.ts";
import { commandNames } from "./command/command-names.ts";
import * as canned from "./testing/canned-answers.ts";
import { type CannedServer, startCannedServer } from "./testing/canned-server.ts";
import { assertGolden } from "./testing/golden.ts";
import { type CliRun, endOf, runCli, startCli } from "./testing/run-cli.ts";

const main = fileURLToPath(new URL("main.ts", import.meta.url));

let server: CannedServer;
let directory: string;
before(async () => {
  server = await startCannedServer();
  directory = mkdtempSync(path.join(tmpdir(), "whotalks-cli-"));
});
after(async () => {
  await server[Symbol.asyncDispose]();
  rmSync(directory, { recursive: true });
});

const ask = (...words: string[]): Promise<CliRun> => runCli([...words, "--server", server.address]);

describe("help", () => {
  it("of the program", async () => assertGolden("help.txt", (await runCli(["--help"])).stdout));
  for (const name of commandNames) {
    it(`of ${name}`, async () => {
      const run = await runCli([name, "--help"]);
      assertGolden(`help-${name}.txt`, run.stdout);
      assert.equal(run.exitCode, 0);
      assert.equal(run.stderr, "");
    });
  }

  it("is by the name that it was called by", async () => {
    const link = path.join(directory, "kubectl-whotalks");
    symlinkSync(main, link);
    const { execFileSync } = await import("node:child_process");
    const text = execFileSync(process.execPath, [link, "--help"], { encoding: "utf8" });
    assert.match(text, /^Usage: kubectl whotalks \[command\]/);
  });

  it("is printed without loading gRPC or YAML", async () => {
    // A hook lists the modules that the process under test loads: their size is startup time.
    const hook = path.join(directory, "list-modules.mjs");
    writeFileSync(
      hook,
      `import { registerHooks } from "node:module";
       registerHooks({ load: (url, context, next) => (process.stderr.write(url + "\\n"), next(url, context)) });`,
    );
    const run = await runCli(["edges", "--help"], { nodeFlags: ["--import", hook] });
    assert.match(run.stderr, /program\.ts/);
    assert.doesNotMatch(run.stderr, /grpc|node_modules\/yaml|lib\/gen/);
  });

  it("prints the version", async () => {
    assert.match((await runCli(["--version"])).stdout, /^\d+\.\d+\.\d+\n$/);
  });
});

describe("version", () => {
  it("has those of the client, the server and the agents, and says what differs", async () => {
    const run = await ask("version");
    assert.match(run.stdout, /^Client: \d+\.\d+\.\d+\nServer: 9\.8\.7\nAgents: unknown on 1 node\n$/);
    assert.match(
      run.stderr,
      /^The client is \S+ and the server is 9\.8\.7: install kubectl-whotalks 9\.8\.7/,
    );
    assert.equal(run.exitCode, 0);
    assert.match((await ask("version", "-o", "wide")).stdout, /^Agent on laptop: unknown\n$/m);
    const json = JSON.parse((await ask("-o", "json", "version")).stdout) as {
      server: string;
      agents: object[];
    };
    assert.deepEqual([json.server, json.agents], ["9.8.7", [{ node: "laptop", version: "" }]]);
  });

  it("of the client asks nobody", async () => {
    const run = await runCli(["version", "--client", "-o", "yaml"], {
      environment: { KUBECONFIG: "/no/such/file" },
    });
    assert.match(run.stdout, /^client: \d+\.\d+\.\d+\n$/);
    assert.equal(run.stderr, "");
  });

  it("has the client's where the server cannot be reached: exit 1", async () => {
    const run = await runCli(["version", "--server", "127.0.0.1:1"]);
    assert.match(run.stdout, /^Client: \d+\.\d+\.\d+\n$/);
    assert.match(run.stderr, /^whotalks: Cannot reach a whotalks server/);
    assert.equal(run.exitCode, 1);
  });
});

describe("a command line that makes no sense", () => {
  const mistakes: ReadonlyArray<readonly [words: readonly string[], message: RegExp]> = [
    [["conections"], /unknown command 'conections'\. Did you mean connections\?/],
    [["zebra"], /unknown command 'zebra'\./],
    [["local", "--form", "x"], /unknown option '--form'\. Did you mean .*--from/],
    [["edges", "extra", "--server", "a:1"], /'extra' names no endpoint/],
    [["edges", "pods", "--server", "a:1"], /'pods' has no name: write pods\/NAME/],
    [["version", "x"], /version takes no words, and 'x' is one too many/],
    [["version", "-o", "csv"], /-o takes one of text, wide, json, yaml, not 'csv'/],
    [["coverage", "pod/x"], /coverage takes no endpoint, and 'pod\/x' is one too many/],
    [["local", "conections"], /local shows edges, .* not 'conections'\. Did you mean connections\?/],
    [["local", "--limit"], /option '--limit <n>' argument missing/],
    [["local", "--once", "-o", "xml"], /-o takes one of table, wide, json, .* not 'xml'/],
    [["edges", "-o", "jsonpath={.a"], /-o jsonpath cannot be read: '{\.a' has no '}'\./],
    [["edges", "-n", "shop", "-A"], /-n and -A cannot be used together/],
    [["local", "--from", "a\u001b[2Jb/c"], /'a\\x1b\[2Jb\/c' names no endpoint/],
  ];
  for (const [words, message] of mistakes) {
    it(`'${words.join(" ")}' is reported in one line, with exit 2`, async () => {
      const run = await runCli(words, { localAddress: server.address });
      assert.match(run.stderr, message);
      assert.match(run.stderr, /^whotalks: [^\n]+ See 'whotalks[a-z ]* --help'\.\n$/);
      assert.equal(run.stdout, "");
      assert.equal(run.exitCode, 2);
    });
  }
});

describe("a cluster that cannot be asked", () => {
  for (const words of [["edges"], [], ["watch", "-A"]]) {
    it(`'${words.join(" ")}' says what is missing, with exit 1`, async () => {
      const run = await runCli(words, { environment: { KUBECONFIG: "/no/such/file" } });
      assert.equal(
        run.stderr,
        "whotalks: No kubeconfig: /no/such/file is not there; name one with --kubeconfig or $KUBECONFIG.\n",
      );
      assert.deepEqual([run.stdout, run.exitCode], ["", 1]);
    });
  }
});

describe("answers", () => {
  const prints: ReadonlyArray<readonly string[]> = [
    ["edges"],
    ["edges", "-o", "wide"],
    ["edges", "-o", "csv"],
    ["edges", "-o", "name", "--sort", "open"],
    ["edges", "-o", "dot"],
    ["edges", "-o", "mermaid"],
    ["edges", "--show-labels"],
    ["edges", "--sort-by", ".firstSeen", "-o", "name"],
    ["connections", "-o", "ndjson"],
    ["connections"],
    ["connections", "-o", "wide", "--no-headers"],
    ["connections", "-o", "json"],
    ["connections", "-o", "yaml"],
    ["connections", "-o", "csv"],
    ["listeners", "-o", "wide"],
    ["listeners", "-o", "json"],
    ["unix", "-o", "wide"],
    ["coverage", "-o", "wide"],
  ];
  for (const words of prints) {
    it(`${words.join(" ")} prints what it should`, async () => {
      const run = await ask(...words);
      assert.equal(run.stderr, "");
      assert.equal(run.exitCode, 0);
      assertGolden(`${words.join("").replaceAll("--", "-")}.txt`, run.stdout);
      assert.doesNotMatch(run.stdout, /[\u0000-\u0009\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    });
  }

  const columns = "custom-columns=CLIENT:.client.process.name,PORT:.server.port,VIA:.via.service.name";
  const template = '{range .items[*]}{.client.process.name}{"\\t"}{.server.ip}{"\\n"}{end}';
  const templates: ReadonlyArray<readonly [words: readonly string[], golden: string]> = [
    [["connections", "-o", columns], "custom-columns"],
    [["listeners", "-o", "custom-columns=KIND:.endpoint.kind", "--no-headers"], "custom-columns-no-headers"],
    [["connections", `-o=jsonpath=${template}`], "jsonpath"],
    [["connections", "-o", 'jsonpath={.items[?(@.protocol=="tcp")].server.port}'], "jsonpath-filter"],
    [["coverage", "-o", "jsonpath={.coverage.nodes[*].node}"], "jsonpath-coverage"],
    [["edges", "-o", "jsonpath-as-json={.items[*].client}", "--limit", "2"], "jsonpath-as-json"],
  ];
  for (const [words, golden] of templates) {
    it(`${words.join(" ")} prints what it should`, async () => {
      const run = await ask(...words);
      assert.equal(run.stderr.replace(/^Showing .*\n/, ""), "");
      assert.equal(run.exitCode, 0);
      assertGolden(`${golden}.txt`, run.stdout);
      assert.doesNotMatch(run.stdout, /[\u0000-\u0008\u000b-\u001f\u007f-\u009f\u202a-\u202e]/);
    });
  }

  it("do not fit a template: one sentence, with exit 1", async () => {
    const run = await ask("connections", "-o", "jsonpath={.items[9].port}");
    assert.equal(run.stderr, "whotalks: JSONPath: [9] is out of bounds: the list has 4 items.\n");
    assert.deepEqual([run.stdout, run.exitCode], ["", 1]);
  });

  it("in JSON and YAML are the same, and come back from a file", async () => {
    for (const command of ["edges", "connections", "listeners", "coverage"]) {
      const json = (await ask(command, "-o", "json")).stdout;
      assert.deepEqual(withoutTime((await ask(command, "-o", "yaml")).stdout), withoutTime(json));
      const file = path.join(directory, `${command}.json`);
      writeFileSync(file, json);
      assert.equal((await runCli([command, "--from-file", file, "-o", "json"])).stdout, json);
      const table = await runCli([command, "--from-file", "-"], { input: json });
      assert.equal(table.stdout, (await ask(command)).stdout);
    }
  });

  it("from a file of another kind are refused", async () => {
    const json = (await ask("edges", "-o", "json")).stdout;
    const run = await runCli(["connections", "--from-file", "-"], { input: json });
    assert.match(run.stderr, /is of kind EdgeList, not ConnectionList: show it with 'edges'/);
    assert.equal(run.exitCode, 2);
    const broken = await runCli(["edges", "--from-file", "-"], { input: json.slice(0, 300) });
    assert.match(broken.stderr, /Standard input cannot be read: it is no JSON/);
    assert.equal(broken.exitCode, 1);
  });

  it("are asked for with the filters that were typed", async () => {
    await ask(
      "connections",
      "--from",
      "pod/web,10.0.0.0/8",
      "--from",
      "external",
      "--port",
      "80",
      "--open",
      "--limit",
      "2",
    );
    const { filter, limit } = server.asked.at(-1)!;
    assert.deepEqual(canned.setKinds(filter!.from), [
      { pod: { namespace: "", name: "web" } },
      { cidr: "10.0.0.0/8" },
      { endpointKind: "external" },
    ]);
    assert.deepEqual(filter!.ports, [80]);
    assert.equal(filter!.openOnly, true);
    assert.equal(limit, 2);
  });

  it("are of the endpoints that were typed as words", async () => {
    await ask("-n", "shop", "deploy/web", "pods", "a", "b", "db/svc/main");
    const { call, filter } = server.asked.at(-1)!;
    assert.equal(call, "edges");
    assert.deepEqual(canned.setKinds(filter!.either), [
      { workload: { namespace: "shop", kind: "Deployment", name: "web" } },
      { pod: { namespace: "shop", name: "a" } },
      { pod: { namespace: "shop", name: "b" } },
      { service: { namespace: "db", name: "main" } },
    ]);
    assert.deepEqual(filter!.namespaces, []);
    await ask("get", "conn", "-n", "shop", "10.0.0.1", "--either", "external");
    const mixed = server.asked.at(-1)!;
    assert.equal(mixed.call, "connections");
    assert.deepEqual(canned.setKinds(mixed.filter!.either), [
      { endpointKind: "external" },
      { cidr: "10.0.0.1" },
    ]);
    assert.deepEqual(mixed.filter!.namespaces, ["shop"]);
    await local(["conn", "nginx", "pid/1", "--once"]);
    assert.deepEqual(canned.setKinds(server.asked.at(-1)!.filter!.either), [
      { process: "nginx" },
      { pid: 1 },
    ]);
  });

  it("say where they were cut", async () => {
    const run = await ask("connections", "--limit", "2", "-o", "json");
    assert.match(run.stderr, /^Showing 2 of 4 connections\.\n/);
    const list = JSON.parse(run.stdout) as { items: unknown[]; complete: boolean; matched: number };
    assert.deepEqual([list.items.length, list.complete, list.matched], [2, false, 4]);
    const sorted = await ask("connections", "--limit", "1", "--sort", "age", "-o", "name");
    assert.equal(sorted.stdout, "connection/c0ffee0000000004\n");
  });

  it("say on standard error what is missing", async () => {
    await using lacking = await startCannedServer({ coverage: canned.coverage });
    const run = await runCli(["edges", "--server", lacking.address, "--no-headers"]);
    assert.match(run.stderr, /^Not complete: 1 network namespace could not be read; .* see coverage\.\n$/);
    assert.equal(run.stdout.split("\n").length, 5);
    const coverage = await runCli(["coverage", "--server", lacking.address]);
    assert.match(
      coverage.stderr,
      /laptop: Without CAP_SYS_PTRACE the files of 150 processes cannot be read\.\n/,
    );
  });

  for (const words of [[], ["-o", "wide"]]) {
    it(`coverage ${words.join(" ")} of a cluster says what is missing, and where`, async () => {
      await using cluster = await startCannedServer({ coverage: canned.clusterCoverage });
      const run = await runCli(["coverage", ...words, "--server", cluster.address]);
      assertGolden(`coverage-cluster${words.join("")}.txt`, `${run.stdout}--- standard error\n${run.stderr}`);
      assert.equal(run.exitCode, 0);
    });
  }

  it("every pod's own account is in JSON, and comes back from a file as the wide table", async () => {
    await using cluster = await startCannedServer({ coverage: canned.clusterCoverage });
    const { stdout } = await runCli(["coverage", "-o", "json", "--server", cluster.address]);
    const { coverage } = JSON.parse(stdout) as { coverage: { pods: object[]; unseen: number } };
    assert.deepEqual([coverage.pods.length, coverage.unseen], [7, 4]);
    const wide = await runCli(["coverage", "-o", "wide", "--server", cluster.address]);
    const read = await runCli(["coverage", "-o", "wide", "--from-file", "-"], { input: stdout });
    assert.deepEqual([read.stdout, read.stderr], [wide.stdout, wide.stderr]);
  });

  it("that are empty differ from answers that were not read", async () => {
    await using empty = await startCannedServer({ edges: [], connections: [] });
    const run = await runCli(["edges", "--server", empty.address]);
    assert.equal(run.stdout, "");
    assert.equal(
      run.stderr,
      "No edges.\nRead 1 node, 3 network namespaces, 210 processes and 120 sockets, 0s ago.\n",
    );
    assert.equal(run.exitCode, 0);
    const filtered = await runCli(["connections", "--server", empty.address, "--port", "80"]);
    assert.match(filtered.stderr, /^No connections match\.\n/);
    const json = await runCli(["edges", "--server", empty.address, "-o", "json"]);
    assert.deepEqual((JSON.parse(json.stdout) as { items: unknown }).items, []);
    assert.deepEqual(
      (parse((await runCli(["edges", "--server", empty.address, "-o", "yaml"])).stdout) as { items: unknown })
        .items,
      [],
    );
  });
});

describe("a server that does not answer as it should", () => {
  it("is not there: exit 1, with the address and what to do", async () => {
    const run = await runCli(["edges", "--server", "127.0.0.1:1"]);
    assert.match(
      run.stderr,
      /^whotalks: Cannot reach a whotalks server at 127\.0\.0\.1:1 \(.*ECONNREFUSED.*\): .*--server\.\n$/,
    );
    assert.equal(run.exitCode, 1);
    assert.equal(run.stdout, "");
  });

  const moods: ReadonlyArray<
    readonly [mood: CannedServer["answers"]["mood"], message: RegExp, exitCode: number]
  > = [
    ["silent", /sent nothing for 300ms/, 1],
    ["breaks-off", /broke off before its end/, 1],
    [{ code: status.INVALID_ARGUMENT, details: "no such label" }, /refused the question: no such label/, 2],
    [{ code: status.PERMISSION_DENIED, details: "not yours" }, /does not let you ask this: not yours/, 1],
    [{ code: status.UNIMPLEMENTED, details: "" }, /does not know this question/, 1],
    [{ code: status.INTERNAL, details: "a\u001b[2Jb" }, /failed \(a\\x1b\[2Jb\)/, 1],
  ];
  for (const [mood, message, exitCode] of moods) {
    it(`${JSON.stringify(mood)} is reported`, async () => {
      await using moody = await startCannedServer({ mood });
      const run = await runCli(["edges", "--server", moody.address, "--timeout", "300ms", "-o", "json"]);
      assert.match(run.stderr, message);
      assert.equal(run.exitCode, exitCode);
      // A truncated answer must not be mistaken for a complete list.
      assert.throws(() => JSON.parse(run.stdout));
    });
  }
});

describe("local", () => {
  it("takes its words in any order", async () => {
    const runs = await Promise.all([
      local(["--once", "connections", "-o", "json"]),
      local(["connections", "--once", "-o", "json"]),
      local(["-o", "json", "connections"]),
    ]);
    for (const run of runs) {
      assert.equal(run.exitCode, 0);
      assert.equal((JSON.parse(run.stdout) as { kind: string }).kind, "ConnectionList");
      assert.equal(run.stdout, runs[0].stdout);
    }
  });

  it("shows edges where nothing is said, and closes what it started", async () => {
    const run = await local(["--once"], { CANNED_VERBOSE: "1" });
    assert.equal(run.stdout, (await ask("edges")).stdout);
    const lines = run.stderr.split("\n");
    assert.match(
      lines[0]!,
      /^started {"procDir":"\/proc","reader":"auto","intervalMs":1000,"listen":{"host":"127.0.0.1","port":4180,"elseAnyPort":true}}$/,
    );
    assert.equal(lines[1], "closed");
  });

  it("says in a sentence why it cannot start", async () => {
    const run = await local(["--once", "--proc", "/nowhere"]);
    assert.equal(run.stderr, "whotalks: /nowhere is no proc filesystem\n");
    assert.equal(run.exitCode, 1);
  });

  it("in a pipe prints new and changed rows as lines, ends with 0 on SIGINT, and closes", async () => {
    await using changing = await startCannedServer();
    const child = startCli(["local", "connections", "--interval", "100ms"], {
      localAddress: changing.address,
      environment: { CANNED_VERBOSE: "1" },
    });
    const ended = endOf(child);
    const printed = collect(child.stdout);
    await until(
      "six lines and a change",
      () => printed().split("\n").length === 6 && changing.asked.length >= 3,
    );
    changing.answers.connections = canned.connections.map((connection) => ({ ...connection, closed: true }));
    await until("eight lines", () => printed().split("\n").length === 8);
    child.kill("SIGINT");
    const run = await ended;
    const lines = run.stdout.trimEnd().split("\n");
    assert.match(lines[0]!, /^CLIENT +SERVER +PROTOCOL +STATE +AGE$/);
    assert.equal(lines.filter((line) => /\bclosed\b/.test(line)).length, 3);
    assert.equal(lines.length, 7);
    assert.doesNotMatch(run.stdout, /\u001b/);
    assert.match(run.stderr, /\nPort 4180 is taken\. Serving on (127\.0\.0\.1:\d+): .* --server \1\n/);
    assert.match(run.stderr, /closed\n$/);
    assert.equal(run.exitCode, 0);
  });

  it("ends with 130 where an answer that was to come is interrupted", async () => {
    await using silent = await startCannedServer({ mood: "silent" });
    const child = startCli(["local", "--once"], { localAddress: silent.address });
    const ended = endOf(child);
    await until("the server is asked", () => silent.asked.length > 0);
    child.kill("SIGINT");
    assert.equal((await ended).exitCode, 130);
  });
});

describe("a reader that goes away", () => {
  it("ends a list and a live table quietly", async () => {
    const many = Array.from({ length: 20_000 }, (_, index) =>
      Connection.create({ ...canned.connections[0]!, uid: String(index) }),
    );
    await using large = await startCannedServer({ connections: many });
    for (const words of [
      ["connections", "-o", "json"],
      ["connections"],
      ["connections", "-w", "--interval", "100ms"],
    ]) {
      const child = startCli([...words, "--server", large.address]);
      const ended = endOf(child);
      child.stdout.once("data", () => child.stdout.destroy());
      const run = await ended;
      assert.equal(run.stderr, "", words.join(" "));
      assert.equal(run.exitCode, 0, words.join(" "));
    }
  });
});

describe("a long list", () => {
  it("of 100,000 connections is printed as JSON within 300 MiB", async () => {
    const many = Array.from({ length: 100_000 }, (_, index) =>
      Connection.create({ ...canned.connections[0]!, uid: String(index) }),
    );
    await using large = await startCannedServer({ connections: many });
    const hook = path.join(directory, "report-memory.mjs");
    writeFileSync(
      hook,
      `process.on("exit", () => process.stderr.write("maxRSS " + process.resourceUsage().maxRSS + "\\n"));`,
    );
    const run = await runCli(["connections", "-o", "json", "--server", large.address], {
      nodeFlags: ["--import", hook],
    });
    assert.equal(run.exitCode, 0);
    assert.equal((JSON.parse(run.stdout) as { items: unknown[] }).items.length, 100_000);
    const maxRssKiB = Number(/maxRSS (\d+)/.exec(run.stderr)![1]);
    assert.ok(maxRssKiB < 300 * 1024, `${Math.round(maxRssKiB / 1024)} MiB`);
  });
});

describe("watch", () => {
  it("prints a line for each event, says what it missed, and ends with 0 on SIGINT", async () => {
    const run = await watch("table", 5);
    assert.equal(run.exitCode, 0);
    const lines = run.stdout.trimEnd().split("\n");
    assert.match(lines[0]!, /^TIME +EVENT +CLIENT +SERVER +PROTOCOL +STATE$/);
    assert.match(lines[2]!, /^\d\d:\d\d:\d\d +closed +evil\\x1b\[2J\\nroot/);
    assert.match(run.stderr, /12 events were left out/);
  });

  it("prints the user's own columns, and templates", async () => {
    const own = await watch("custom-columns=UID:.uid,CLOSED:.closed", 4);
    assert.deepEqual(own.stdout.split("\n", 2), ["UID                CLOSED", "c0ffee0000000001   false"]);
    const filled = await watch('jsonpath={.uid}{"\\n"}', 3);
    assert.match(filled.stdout, /^c0ffee0000000001\nc0ffee0000000002\n/);
  });

  it("prints one object a line as JSON", async () => {
    const run = await watch("json", 7);
    const events = run.stdout
      .trimEnd()
      .split("\n")
      .map((line) => JSON.parse(line) as { type: string });
    assert.deepEqual(
      events.map((event) => event.type),
      ["header", "opened", "closed", "opened", "opened", "synced", "missed"],
    );
  });
});

function withoutTime(text: string): object {
  return { ...(parse(text) as object), time: undefined };
}

function local(words: readonly string[], environment = {}): Promise<CliRun> {
  return runCli(["local", ...words], { localAddress: server.address, environment });
}

async function watch(format: string, lines: number): Promise<CliRun> {
  const child = startCli(["watch", "--server", server.address, "-o", format]);
  const ended = endOf(child);
  const printed = collect(child.stdout);
  await until(`${lines} lines are printed`, () => printed().split("\n").length > lines);
  child.kill("SIGINT");
  return ended;
}

function collect(stream: NodeJS.ReadableStream): () => string {
  let text = "";
  stream.on("data", (data: string | Buffer) => (text += data.toString()));
  return () => text;
}
