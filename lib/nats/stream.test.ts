import assert from "node:assert/strict";
import { test } from "node:test";
import type { TestContext } from "node:test";

import { jetstreamManager } from "@nats-io/jetstream";
import type { JetStreamManager } from "@nats-io/jetstream";

import { natsServerMissing, TestNatsServer } from "../testing/nats-server.ts";
import { silentLog } from "../testing/silent-log.ts";
import { defaultStreamSettings } from "../testing/stream-settings.ts";
import { connectForEver } from "./connection.ts";
import { ensureStream, newerVersion } from "./stream.ts";
import { STREAM_NAME } from "./subjects.ts";

const options = { skip: natsServerMissing() ?? false, timeout: 60_000 };
const larger = { ...defaultStreamSettings, bytesMax: 8 * 2 ** 30 };

async function start(context: TestContext): Promise<JetStreamManager> {
  const server = await TestNatsServer.start();
  context.after(() => server.remove());
  const link = await connectForEver({ servers: [server.url], name: "test" }, silentLog, context.signal);
  context.after(() => link.close());
  return jetstreamManager(link.connection);
}

test(
  "the stream is kept in files, and gets the settings of the same or a newer version",
  options,
  async (t) => {
    const manager = await start(t);
    const { config } = await ensureStream(manager, defaultStreamSettings, "1.9.0");
    assert.deepEqual([config.storage, config.max_bytes], ["file", defaultStreamSettings.bytesMax]);
    assert.equal((await ensureStream(manager, larger, "1.9.0")).config.max_bytes, larger.bytesMax);
    const upgraded = await ensureStream(manager, defaultStreamSettings, "1.10.0");
    assert.equal(upgraded.config.max_bytes, defaultStreamSettings.bytesMax);
    assert.equal(newerVersion(upgraded, "1.10.0"), null);
  },
);

test("an older aggregator leaves a newer one's stream as it is", options, async (t) => {
  const manager = await start(t);
  await ensureStream(manager, larger, "1.10.0");
  const info = await ensureStream(manager, defaultStreamSettings, "1.9.5");
  assert.equal(info.config.max_bytes, larger.bytesMax);
  assert.equal(newerVersion(info, "1.9.5"), "1.10.0");
  assert.equal((await manager.streams.info(STREAM_NAME)).config.max_bytes, larger.bytesMax);
});

test("a stream that names no version is taken over", options, async (t) => {
  const manager = await start(t);
  await ensureStream(manager, larger, "1.10.0");
  await manager.streams.update(STREAM_NAME, { description: "mine" });
  const info = await ensureStream(manager, defaultStreamSettings, "1.9.5");
  assert.equal(info.config.max_bytes, defaultStreamSettings.bytesMax);
});
