// The agent as a process, from its settings to its reports in a real stream.

import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { test, type TestContext } from "node:test";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import type { Report } from "../../lib/gen/whotalks/v1/report.ts";
import { connectForEver } from "../../lib/nats/connection.ts";
import { until } from "../../lib/testing/eventually.ts";
import { freePort, natsServerMissing, TestNatsServer } from "../../lib/testing/nats-server.ts";
import { readReportHead } from "../../lib/nats/report-head.ts";
import { ensureStream } from "../../lib/nats/stream.ts";
import { STREAM_NAME } from "../../lib/nats/subjects.ts";
import { silentLog } from "../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../lib/testing/stream-settings.ts";

const main = join(import.meta.dirname, "main.ts");
const options = { skip: natsServerMissing() ?? false, timeout: 60_000 };

interface RunningAgent {
  readonly child: ChildProcess;
  readonly log: () => string;
  /** Status and text of a path of its HTTP server; null while that does not answer. */
  get(path: string): Promise<{ status: number; text: string } | null>;
}

async function startAgent(t: TestContext, natsUrl: string): Promise<RunningAgent> {
  const port = await freePort();
  const environment = {
    PATH: process.env["PATH"],
    HOME: "/nonexistent",
    WHOTALKS_NODE_NAME: "node.example",
    WHOTALKS_NATS_URL: natsUrl,
    WHOTALKS_INTERVAL: "100ms",
    WHOTALKS_CPU_BUDGET: "100%",
    WHOTALKS_HTTP_ADDRESS: `127.0.0.1:${port}`,
  };
  const child = spawn(process.execPath, [main], { env: environment, stdio: ["ignore", "pipe", "inherit"] });
  let log = "";
  child.stdout.on("data", (chunk: Buffer) => (log += chunk.toString()));
  t.after(() => child.kill("SIGKILL"));
  return {
    child,
    log: () => log,
    get: async (path) => {
      try {
        const response = await fetch(`http://127.0.0.1:${port}${path}`);
        return { status: response.status, text: await response.text() };
      } catch {
        return null;
      }
    },
  };
}

async function startNats(t: TestContext): Promise<{ server: TestNatsServer; manager: JetStreamManager }> {
  const server = await TestNatsServer.start();
  const link = await connectForEver(
    { servers: [server.url], name: "t" },
    silentLog,
    AbortSignal.timeout(10_000),
  );
  t.after(async () => {
    await link.close();
    await server.remove();
  });
  return { server, manager: await jetstreamManager(link.connection) };
}

async function heads(manager: JetStreamManager): Promise<Pick<Report, "node" | "sequence" | "keyframe">[]> {
  const { state } = await manager.streams.info(STREAM_NAME);
  const found = [];
  for (let seq = 1; seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(STREAM_NAME, { seq });
    found.push(readReportHead(message!.data)!);
  }
  return found;
}

test(
  "the agent is ready once its keyframe is in the stream, and leaves nothing behind when it stops",
  options,
  async (t) => {
    const { server, manager } = await startNats(t);
    const agent = await startAgent(t, server.url);
    await until("it lives", async () => (await agent.get("/livez"))?.status === 200);
    await until("it says why it is not ready", async () =>
      /no stream for reports/.test((await agent.get("/readyz"))?.text ?? ""),
    );
    await ensureStream(manager, defaultStreamSettings);
    await until("it is ready", async () => (await agent.get("/readyz"))?.status === 200);
    await until("some deltas came", async () => (await manager.streams.info(STREAM_NAME)).state.messages > 3);
    const metrics = await agent.get("/metrics");
    assert.match(metrics!.text, /whotalks_agent_reports_dropped_total 0\n/);
    assert.match(metrics!.text, /whotalks_agent_sockets [1-9]/);
    const ended = once(agent.child, "exit");
    agent.child.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
    assert.match(agent.log(), /"flushed":true/);
    const reports = await heads(manager);
    assert.deepEqual(
      reports.map(({ sequence }) => sequence),
      reports.map((_, index) => index + 1),
    );
    assert.equal(reports[0]!.keyframe, true);
    assert.ok(reports.every(({ node }) => node === "node.example"));
  },
);

test("without NATS the agent continues, says so, and ends on request", options, async (t) => {
  const agent = await startAgent(t, `nats://127.0.0.1:${await freePort()}`);
  await until("it says what is missing", async () =>
    /no connection to NATS/.test((await agent.get("/readyz"))?.text ?? ""),
  );
  assert.equal((await agent.get("/livez"))?.status, 200);
  const ended = once(agent.child, "exit");
  agent.child.kill("SIGTERM");
  assert.deepEqual(await ended, [0, null]);
  assert.match(agent.log(), /"flushed":false/);
});

test("settings that make no sense end it with 2 and a sentence each", () => {
  const { status, stderr } = spawnSync(process.execPath, [main, "--interval", "soon"], {
    env: {},
    encoding: "utf8",
  });
  assert.equal(status, 2);
  assert.match(stderr, /WHOTALKS_NODE_NAME is missing/);
  assert.match(stderr, /WHOTALKS_INTERVAL "soon" is not a duration/);
});
