// Documentation is consistent: its links, anchors and paths exist, and workflows are YAML.

import assert from "node:assert/strict";
import { existsSync, readdirSync, readFileSync, statSync } from "node:fs";
import path from "node:path";
import { test } from "node:test";

import { parse } from "yaml";

const repository = path.resolve(import.meta.dirname, "..");

/** Folders whose files `code` names as paths from the repository's root. */
const rootFolders = /^(?:bench|charts|cli|docs|images|lib|proto|scripts|services|soak|test)\//;

/** Folders in a checkout that are not part of the repository. */
const foreignFolders: ReadonlySet<string> = new Set([".git", "dist", "node_modules"]);

/** Paths of the repository's files with this ending. */
function filesEnding(ending: string): readonly string[] {
  const names = readdirSync(repository).filter((name) => !foreignFolders.has(name));
  const inFolders = names
    .filter((name) => statSync(path.join(repository, name)).isDirectory())
    .flatMap((folder) =>
      readdirSync(path.join(repository, folder), { recursive: true, encoding: "utf8" }).map((name) =>
        path.join(folder, name),
      ),
    );
  return [...names, ...inFolders].filter((name) => name.endsWith(ending));
}

/** The text without fenced blocks, where links and headings have no meaning. */
function withoutFences(text: string): string {
  return text.replaceAll(/^(```|~~~)[\s\S]*?^\1/gm, "");
}

/** Targets of links and images, except in `code`. */
function linksOf(text: string): readonly string[] {
  const prose = withoutFences(text).replaceAll(/`[^`\n]*`/g, "");
  return [...prose.matchAll(/\]\(([^()\s]+)\)/g)].map(([, target]) => target!);
}

/** Paths from the repository's root in `code`, except patterns and placeholders. */
function pathsOf(text: string): readonly string[] {
  return [...withoutFences(text).matchAll(/`([^`\n]+)`/g)]
    .map(([, code]) => code!)
    .filter((code) => rootFolders.test(code) && /^[\w./-]+$/.test(code));
}

/** GitHub's anchors for headings: lower case, punctuation dropped, spaces to hyphens, duplicates numbered. */
function anchorsOf(text: string): ReadonlySet<string> {
  const anchors = new Set<string>();
  const counts = new Map<string, number>();
  for (const [, heading] of withoutFences(text).matchAll(/^#{1,6} +(.*)$/gm)) {
    const plain = heading!.replaceAll(/\[([^\]]*)\]\([^)]*\)/g, "$1").trim();
    const anchor = plain
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\p{M}\p{Pc}\- ]/gu, "")
      .replaceAll(" ", "-");
    const count = counts.get(anchor) ?? 0;
    counts.set(anchor, count + 1);
    anchors.add(count === 0 ? anchor : `${anchor}-${count}`);
  }
  for (const [, id] of text.matchAll(/<a (?:id|name)="([^"]+)"/g)) anchors.add(id!);
  return anchors;
}

/** What is wrong with a link in a file; null if it is correct. */
function faultOf(file: string, link: string): string | null {
  if (/^[a-z][a-z0-9+.-]*:/i.test(link)) return null;
  const [target = "", anchor] = link.split("#");
  const absolute =
    target === "" ? path.join(repository, file) : path.resolve(repository, path.dirname(file), target);
  if (!absolute.startsWith(repository + path.sep)) return `${file}: ${link} leaves the repository`;
  if (!existsSync(absolute)) return `${file}: ${link} does not exist`;
  if (anchor === undefined) return null;
  const isKnown = anchorsOf(readFileSync(absolute, "utf8")).has(decodeURIComponent(anchor));
  return isKnown ? null : `${file}: ${link} has no such heading`;
}

void test("every relative link of a Markdown file leads to a file and heading that exist", () => {
  const files = filesEnding(".md");
  assert.ok(files.includes("README.md"), "Markdown files are found");
  const faults = files.flatMap((file) =>
    linksOf(readFileSync(path.join(repository, file), "utf8"))
      .map((link) => faultOf(file, link))
      .filter((fault) => fault !== null),
  );
  assert.deepEqual(faults, []);
});

void test("every path that the documentation names exists", () => {
  const named = filesEnding(".md").flatMap((file) =>
    pathsOf(readFileSync(path.join(repository, file), "utf8")).map((name) => ({ file, name })),
  );
  const inArchitecture = named.filter(({ file }) => file === "ARCHITECTURE.md").length;
  assert.ok(inArchitecture >= 20, `${inArchitecture} paths are found in ARCHITECTURE.md`);
  assert.deepEqual(
    named.filter(({ name }) => !existsSync(path.join(repository, name))),
    [],
  );
});

void test("every workflow and issue form is valid YAML with what GitHub requires of it", () => {
  const files = filesEnding(".yml").filter((name) => name.startsWith(".github/"));
  const workflows = files.filter((name) => name.startsWith(".github/workflows/"));
  assert.ok(workflows.length > 0, "workflows are found");
  for (const file of files) {
    // Throws if it is not YAML, or has duplicate keys.
    const document = parse(readFileSync(path.join(repository, file), "utf8")) as Record<string, unknown>;
    if (workflows.includes(file)) assertWorkflow(file, document);
    else if (path.basename(file) !== "config.yml") {
      for (const key of ["name", "description", "body"]) assert.ok(key in document, `${file} has ${key}`);
    }
  }
});

function assertWorkflow(file: string, document: Record<string, unknown>): void {
  for (const key of ["name", "on", "permissions", "jobs"]) assert.ok(key in document, `${file} has ${key}`);
  const jobs = document["jobs"] as Record<string, { "runs-on"?: string; steps?: Record<string, string>[] }>;
  for (const [name, job] of Object.entries(jobs)) {
    assert.ok(job["runs-on"] !== undefined, `${file}: ${name} says where it runs`);
    for (const step of job.steps ?? []) {
      assert.ok("uses" in step !== "run" in step, `${file}: a step of ${name} uses or runs`);
    }
  }
}

void test("what the checks rest on: anchors as GitHub makes them, links outside code, paths inside it", () => {
  assert.deepEqual(
    [...anchorsOf("# Who opened it\n## `-o json`, and more\n## A\n## A\n```\n# no heading\n```\n")],
    ["who-opened-it", "-o-json-and-more", "a", "a-1"],
  );
  assert.deepEqual(linksOf("[a](b.md#c) `[no](link)` ![d](e.svg)\n```\n[no](fence)\n```\n"), [
    "b.md#c",
    "e.svg",
  ]);
  assert.deepEqual(
    pathsOf("`cli/main.ts`, `main.ts`, `lib/*.ts`, `cli/<name>.ts`\n```\n`lib/fence.ts`\n```\n"),
    ["cli/main.ts"],
  );
  assert.equal(faultOf("README.md", "https://example.com/none"), null);
  assert.match(faultOf("README.md", "docs/none.md") ?? "", /does not exist/);
  assert.match(faultOf("README.md", "docs/cli.md#none") ?? "", /no such heading/);
});
