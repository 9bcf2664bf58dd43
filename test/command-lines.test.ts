// Every program of the repository answers --help and refuses what it does not know with one sentence, each run
// as a process. A stack trace is for bugs.

import assert from "node:assert/strict";
import { execFile } from "node:child_process";
import { globSync, readFileSync } from "node:fs";
import path from "node:path";
import { describe, test } from "node:test";

import packageJson from "../package.json" with { type: "json" };

const root = path.join(import.meta.dirname, "..");

/** A run that takes longer did not stop at its command line. */
const RUN_MS_MAX = 60_000;

/** A command line that must be refused, and what the sentence says. */
type Mistake = readonly [args: readonly string[], sentence: RegExp];

interface Program {
  /** What its sentences call it, where that is not what starts it. */
  readonly name: string;
  readonly mistakes: readonly Mistake[];
}

const noWords: Mistake = [["stray"], /no word is expected here, and 'stray' is one too many/];

/** The programs by their files. */
const programs: Readonly<Record<string, Program>> = {
  "bench/main.ts": {
    name: "npm run bench",
    mistakes: [
      [[], /NAME is missing: one of codec, .*idle/],
      [["nope"], /NAME takes one of codec, .*latency, not 'nope'/],
      [["idel"], /not 'idel'\. Did you mean idle\?/],
      [["codec", "stray"], /no word is expected here, and 'stray' is one too many/],
      [["readers", "50/10001"], /NAMESPACES\/SOCKETS takes one of 50\/10000, .*, not '50\/10001'/],
      [["short", "soon"], /SECONDS takes a whole number from 1 to 3600, not 'soon'/],
      [
        ["idle", "agent"],
        /NAMESPACES\/SOCKETS or CANDIDATE takes one of 110\/10000, .*agent bpf-iter, .*local procfs, not 'agent'/,
      ],
    ],
  },
  "soak/main.ts": {
    name: "npm run soak",
    mistakes: [
      [[], /NAME is missing: one of join/],
      [["jion"], /NAME takes one of join, kills, not 'jion'\. Did you mean join\?/],
      [["join", "stray"], /'stray' is one too many/],
      [["join", "--histories"], /--histories needs a value, as in --histories=N/],
      [["join", "--histories", "--seed", "5"], /--histories needs a value/],
      [["join", "--histories="], /--histories takes a whole number from 1 to \d+, not ''/],
      [["join", "--histories", "0"], /--histories takes a whole number from 1 to \d+, not '0'/],
      [["join", "--seed=-1"], /--seed takes a whole number from 0 to \d+, not '-1'/],
      [["kills", "--fault", "moon"], /--fault takes the beginning of one of agent deleted, .*, not 'moon'/],
      [["kills", "--times", "0"], /--times takes a whole number from 1 to \d+, not '0'/],
      [["join", "--seed", "1e3"], /--seed takes a whole number from 0 to \d+, not '1e3'/],
    ],
  },
  "test/e2e/run.ts": {
    name: "npm run e2e",
    mistakes: [
      [["999"], /NUMBER takes the beginning of one of 010-install, .*, not '999'/],
      [["100", "999"], /not '999'/],
      [[""], /not ''/],
    ],
  },
  "test/kernels/run.ts": {
    name: "npm run test:kernels",
    mistakes: [[["bookwrom"], /SUITE takes one of bullseye, .*, not 'bookwrom'\. Did you mean bookworm\?/]],
  },
  "test/run.ts": {
    name: "npm test",
    mistakes: [
      [["lib/nothing.test.ts"], /'lib\/nothing\.test\.ts' is no \*\.test\.ts that exists/],
      [["lib/duration.ts"], /'lib\/duration\.ts' is no \*\.test\.ts that exists/],
    ],
  },
  "scripts/build.ts": { name: "npm run build", mistakes: [noWords] },
  "scripts/check.ts": {
    name: "npm run check",
    mistakes: [[["lnit"], /NAME takes one of types, lint, .*, not 'lnit'\. Did you mean lint\?/]],
  },
  "scripts/fill-compile-cache.ts": { name: "npm run fill-compile-cache", mistakes: [noWords] },
  "scripts/generate.ts": {
    name: "npm run generate",
    mistakes: [noWords, [["--check=yes"], /--check takes no value, not 'yes'/]],
  },
  "scripts/images.ts": { name: "npm run images", mistakes: [noWords] },
  "scripts/test-tools.sh": {
    name: "test-tools.sh",
    mistakes: [[["stray"], /nothing but --help is expected here, and 'stray' is one too many/]],
  },
  "cli/docs/cli-reference.ts": { name: "node cli/docs/cli-reference.ts", mistakes: [noWords] },
  "cli/main.ts": {
    name: "whotalks",
    mistakes: [
      [["stray"], /unknown command 'stray'/],
      [["edges", "--limit"], /option '--limit <n>' argument missing/],
      [
        ["connections", "--protocol", "250"],
        /--protocol takes one of icmp, .*, a number from 0 to 249 or 253 to 255, all, not '250'/,
      ],
      [["local", "edges", "--output=xml"], /-o takes one of table, .*, not 'xml'/],
    ],
  },
  "services/aggregator/main.ts": {
    name: "whotalks-aggregator",
    mistakes: [
      noWords,
      [["--http-address"], /--http-address needs a value, as in --http-address=0\.0\.0\.0:4181/],
    ],
  },
  "services/node-agent/main.ts": {
    name: "whotalks-agent",
    mistakes: [noWords, [["--interval", "--reader=procfs"], /--interval needs a value, as in --interval=1s/]],
  },
};

interface Run {
  readonly exitCode: number | string | null | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

function run(file: string, args: readonly string[]): Promise<Run> {
  const program = file.endsWith(".sh") ? "bash" : process.execPath;
  const { NODE_OPTIONS: _options, ...environment } = process.env;
  const options = { cwd: root, env: environment, timeout: RUN_MS_MAX, encoding: "utf8" } as const;
  return new Promise((resolve) => {
    execFile(program, [file, ...args], options, (error, stdout, stderr) =>
      resolve({ exitCode: error === null ? 0 : error.code, stdout, stderr }),
    );
  });
}

for (const [file, { name, mistakes }] of Object.entries(programs)) {
  describe(file, { concurrency: 2 }, () => {
    for (const flag of ["--help", "-h"]) {
      test(`${flag} prints how to use it`, async () => {
        const { exitCode, stdout, stderr } = await run(file, [flag]);
        assert.deepEqual({ exitCode, stderr }, { exitCode: 0, stderr: "" });
        assert.match(stdout, /^(Usage: |whotalks-(agent|aggregator): )/);
      });
    }

    const unknown: Mistake = [["--no-such-flag"], /'--no-such-flag'/];
    for (const [args, sentence] of [unknown, ...mistakes]) {
      test(`refuses ${JSON.stringify(args)}`, async () => {
        const { exitCode, stdout, stderr } = await run(file, args);
        assert.deepEqual({ exitCode, stdout }, { exitCode: 2, stdout: "" }, stderr);
        assert.match(stderr, sentence);
        assert.match(stderr, /^.+: [^\n]+[.?] See '.+ --help'\.\n$/, "one sentence, and where to get help");
        assert.equal(stderr.slice(0, stderr.indexOf(": ")), name);
      });
    }
  });
}

test("no program is missing here", () => {
  const scripts = Object.values(packageJson.scripts).join("\n");
  const started = [...scripts.matchAll(/\b[\w/-]+\.(?:ts|sh)\b/g)].map(([file]) => file);
  // Programs that call it. Their helpers, which take JSON from their parents, are no programs of a user.
  const calling = globSync("{bench,cli,lib,scripts,services,soak,test}/**/*.{ts,sh}", { cwd: root })
    .filter((file) => !file.endsWith(".test.ts"))
    .filter((file) =>
      /^(#!|await runTool\(|\s+await runTool\(|process\.exitCode = await )/m.test(read(file)),
    );
  const missing = [...started, ...calling].filter((file) => !Object.hasOwn(programs, file));
  assert.deepEqual(missing, []);
});

function read(file: string): string {
  return readFileSync(path.join(root, file), "utf8");
}
