import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";
import { test } from "node:test";
import { parentDirectories, tar, type TarEntry } from "./tar.ts";

const text = (value: string): Uint8Array => new TextEncoder().encode(value);

test("what is written, tar(1) unpacks: content, modes, directories, long paths", (t) => {
  if (spawnSync("tar", ["--version"]).status !== 0) return t.skip("no tar on the PATH");
  const long = `${"directory/".repeat(12)}${"f".repeat(90)}`;
  const files: TarEntry[] = [
    { kind: "file", path: "bin/run", mode: 0o755, content: text("#!/bin/sh\n") },
    { kind: "file", path: "empty", mode: 0o644, content: text("") },
    { kind: "file", path: "exact", mode: 0o600, content: new Uint8Array(1024).fill(7) },
    { kind: "file", path: long, mode: 0o644, content: text("deep") },
    { kind: "directory", path: "tmp", mode: 0o1777 },
  ];
  const directory = mkdtempSync(path.join(tmpdir(), "tar-"));
  t.after(() => rmSync(directory, { recursive: true }));
  const archive = Buffer.concat(tar([...parentDirectories(files.map((file) => file.path)), ...files]));
  writeFileSync(path.join(directory, "a.tar"), archive);
  const unpacked = spawnSync("tar", ["-xpf", "a.tar"], { cwd: directory, encoding: "utf8" });
  assert.deepEqual([unpacked.status, unpacked.stderr], [0, ""]);
  for (const file of files) {
    const target = path.join(directory, file.path);
    assert.equal(statSync(target).mode & 0o7777, file.mode, file.path);
    if (file.kind === "file") assert.deepEqual(new Uint8Array(readFileSync(target)), file.content);
  }
  return undefined;
});

test("the same entries make the same bytes", () => {
  const entries: TarEntry[] = [{ kind: "file", path: "a", mode: 0o644, content: text("a") }];
  assert.deepEqual(Buffer.concat(tar(entries)), Buffer.concat(tar(entries)));
});

test("parents come first and once", () => {
  const paths = parentDirectories(["a/b/c", "a/b/d", "e"]).map((entry) => entry.path);
  assert.deepEqual(paths, ["a", "a/b"]);
});

test("a path that does not fit is refused", () => {
  const entry: TarEntry = { kind: "file", path: "x".repeat(300), mode: 0o644, content: text("") };
  assert.throws(() => tar([entry]), RangeError);
});
