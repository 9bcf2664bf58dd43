import assert from "node:assert/strict";
import { spawn, spawnSync } from "node:child_process";
import { before, describe, it } from "node:test";
import { fileURLToPath } from "node:url";
import * as canned from "../testing/canned-answers.ts";
import { startCannedServer } from "../testing/canned-server.ts";

const main = fileURLToPath(new URL("../main.ts", import.meta.url));
const noScript =
  spawnSync("script", ["--version"]).status === 0 ? false : "script (util-linux) is not installed";

let typescript = "";
before(async () => {
  if (noScript === false) typescript = await liveTable();
});

// A pseudo-terminal of 80 columns and 12 rows, on which a live table runs until two changes were drawn.
async function liveTable(): Promise<string> {
  await using server = await startCannedServer();
  const command = `trap : INT; stty cols 80 rows 12; ${process.execPath} ${main} connections -w --interval 100ms --server ${server.address}; echo "exit $?"`;
  const child = spawn("script", ["-qfec", command, "/dev/null"], {
    env: { PATH: process.env["PATH"], TERM: "xterm", TZ: "UTC", SHELL: "/bin/sh" },
  });
  let text = "";
  child.stdout.setEncoding("utf8").on("data", (data: string) => (text += data));
  const ended = new Promise((resolve) => child.on("close", resolve));
  const until = async (pattern: RegExp): Promise<void> => {
    const deadline = Date.now() + 10_000;
    while (!pattern.test(text)) {
      if (Date.now() > deadline)
        throw new Error(`waited in vain for ${String(pattern)} in ${JSON.stringify(text)}`);
      await new Promise((resolve) => setTimeout(resolve, 10));
    }
  };
  await until(/ESTABLISHED[^]*\u001b\[H[^]*ESTABLISHED/);
  server.answers.connections = Array.from({ length: 30 }, (_, index) => ({
    ...canned.connections[0]!,
    uid: String(index),
    closed: true,
  }));
  await until(/… and \d+ more/);
  // Ctrl-C, as a user types it.
  child.stdin.write("\u0003");
  await ended;
  return text;
}

describe("a live table on a terminal", { skip: noScript }, () => {
  it("is redrawn in place and never scrolls", () => {
    const frames = typescript.split("\u001b[H").slice(1);
    assert.ok(frames.length >= 3);
    for (const frame of frames) {
      const lines = frame.split("\u001b[J")[0]!.split("\r\n");
      assert.ok(lines.length <= 11, `${lines.length} lines`);
    }
  });

  it("fits its lines and says what does not fit", () => {
    const plain = typescript.replaceAll("\u001b[H", "\n").replace(/\u001b\[[?\d;]*[A-Za-z]/g, "");
    for (const line of plain.split(/\r?\n/)) assert.ok(line.length <= 80, line);
    assert.match(plain, /whotalks connections {3}03:04:05 {3}4 connections/);
    assert.match(plain, /… and 22 more/);
    assert.match(plain, /….* +ESTABLISHED +3h12m/);
  });

  it("has colours, hides the cursor, and shows it again at the end", () => {
    assert.match(typescript, /\u001b\[1mCLIENT/);
    assert.match(typescript, /\u001b\[31m[^\u001b]*refused/);
    assert.ok(typescript.indexOf("\u001b[?25l") < typescript.indexOf("\u001b[H"));
    assert.ok(typescript.lastIndexOf("\u001b[?25h") > typescript.lastIndexOf("\u001b[H"));
  });

  it("ends with 0 on Ctrl-C", () => assert.match(typescript, /exit 0\r?\n$/));
});
