import assert from "node:assert/strict";
import { after, before, test } from "node:test";
import { jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import { connectForEver, type NatsLink, type NatsOptions } from "../../../lib/nats/connection.ts";
import { until } from "../../../lib/testing/eventually.ts";
import { TestNatsServer, natsServerMissing } from "../../../lib/testing/nats-server.ts";
import { ensureStream } from "../../../lib/nats/stream.ts";
import { STREAM_NAME } from "../../../lib/nats/subjects.ts";
import { silentLog } from "../../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../../lib/testing/stream-settings.ts";
import { NatsPublisher, type NatsPublisherOptions } from "./nats-publisher.ts";

const skip = natsServerMissing() ?? false;
const NODE = "ip-10-0-0-1.eu-west-1.compute.internal";
const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

// Each test has its own epoch: JetStream remembers the ids of reports that a purge has removed.
let epoch = 1;

function report(sequence: number, fields: Partial<Report> = {}, padding = 0): Uint8Array {
  return Report.encode(
    Report.fromPartial({
      schema: 1,
      node: NODE,
      epoch,
      sequence,
      keyframe: sequence === 1,
      parts: 1,
      holdersCleared: new Uint8Array(padding),
      ...fields,
    }),
  ).finish();
}

async function startServer(configuration = ""): Promise<TestNatsServer> {
  const server = await TestNatsServer.start(configuration);
  cleanups.push(() => server.remove());
  return server;
}

async function link(server: TestNatsServer, options: Partial<NatsOptions> = {}): Promise<NatsLink> {
  const signal = AbortSignal.timeout(20_000);
  const made = await connectForEver({ servers: [server.url], name: "test", ...options }, silentLog, signal);
  cleanups.push(() => made.close());
  return made;
}

function makePublisher(options: Partial<NatsPublisherOptions> = {}): NatsPublisher {
  const publisher = new NatsPublisher({ log: silentLog, monotonicMs: () => performance.now(), ...options });
  cleanups.push(() => publisher.close());
  return publisher;
}

/** Returns the sequence numbers of the reports in the stream, in stream order. */
async function stored(manager: JetStreamManager): Promise<number[]> {
  const { state } = await manager.streams.info(STREAM_NAME);
  const sequences: number[] = [];
  for (let seq = Math.max(1, state.first_seq); seq <= state.last_seq; seq++) {
    const message = await manager.streams.getMessage(STREAM_NAME, { seq });
    if (message !== null) sequences.push(Report.decode(message.data).sequence);
  }
  return sequences;
}

const range = (from: number, to: number): number[] =>
  Array.from({ length: to - from + 1 }, (_, i) => from + i);

test("with nats-server", { skip, timeout: 120_000 }, async (t) => {
  let server!: TestNatsServer;
  let control!: NatsLink;
  let manager!: JetStreamManager;

  before(async () => {
    server = await startServer();
    control = await link(server);
    manager = await jetstreamManager(control.connection);
  });

  async function beginAnew(): Promise<void> {
    epoch++;
    await until("the test's own connection is back", () => control.connected);
    await manager.streams.purge(STREAM_NAME);
  }

  await t.test("reports handed over before there is a stream arrive in order once there is one", async () => {
    const publisher = makePublisher();
    const published = range(1, 5).map((sequence) => publisher.publish(report(sequence)));
    assert.match(publisher.limits()[0]!, /no connection to NATS/);
    publisher.attach(await link(server));
    await until("the missing stream is told", () =>
      /no stream for reports/.test(publisher.limits()[0] ?? ""),
    );
    assert.equal(publisher.keyframeAcknowledged, false);
    await ensureStream(manager, defaultStreamSettings);
    await Promise.all(published);
    assert.deepEqual(await stored(manager), range(1, 5));
    assert.equal(publisher.keyframeAcknowledged, true);
    assert.deepEqual(publisher.limits(), []);
    const keyframes = await manager.streams.info(STREAM_NAME, {
      subjects_filter: "whotalks.v1.report.*.keyframe",
    });
    assert.deepEqual(keyframes.state.subjects, {
      "whotalks.v1.report.ip-10-0-0-1_2Eeu-west-1_2Ecompute_2Einternal.keyframe": 1,
    });
  });

  await t.test("NATS killed under load: every report is there afterwards, once and in order", async () => {
    await beginAnew();
    const publisher = makePublisher();
    publisher.attach(await link(server));
    const published: Promise<void>[] = [];
    let sequence = 0;
    const load = setInterval(() => published.push(publisher.publish(report(++sequence, {}, 2000))), 2);
    await until("some are acknowledged", () => publisher.counters().acknowledged > 50);
    await server.stop("SIGKILL");
    await until("some wait", () => publisher.counters().waiting > 50);
    assert.match(publisher.limits()[0]!, /connection to NATS is lost/);
    await server.start();
    await until(
      "the connection is back",
      () => publisher.limits().length === 0 && publisher.counters().waiting < 5,
    );
    clearInterval(load);
    await Promise.all(published);
    await until("the test's own connection is back", () => control.connected);
    assert.deepEqual(await stored(manager), range(1, sequence));
    assert.equal(publisher.counters().dropped, 0);
  });

  await t.test("a stream that went back is filled from the tail, then a keyframe is asked for", async () => {
    await beginAnew();
    const publisher = makePublisher();
    publisher.attach(await link(server));
    for (const sequence of range(1, 10)) await publisher.publish(report(sequence));
    await server.stop("SIGTERM");
    await server.saveStore();
    await server.start();
    for (const sequence of range(11, 20)) await publisher.publish(report(sequence));
    assert.equal(publisher.takeKeyframeRequest(), false);
    await server.stop("SIGKILL");
    await server.restoreStore();
    await server.start();
    for (const sequence of range(21, 25)) await publisher.publish(report(sequence));
    await until("the test's own connection is back", () => control.connected);
    assert.deepEqual(await stored(manager), range(1, 25));
    assert.equal(publisher.counters().wentBack, 1);
    assert.equal(publisher.takeKeyframeRequest(), true);
    assert.equal(publisher.takeKeyframeRequest(), false, "asks once");
  });

  await t.test("an operator's purge costs a keyframe, not an endless resending", async () => {
    await beginAnew();
    const publisher = makePublisher();
    publisher.attach(await link(server));
    for (const sequence of range(1, 5)) await publisher.publish(report(sequence));
    await manager.streams.purge(STREAM_NAME);
    for (const sequence of range(6, 8)) await publisher.publish(report(sequence));
    assert.equal(publisher.counters().wentBack, 1);
    assert.equal(publisher.takeKeyframeRequest(), true);
    assert.deepEqual(await stored(manager), range(6, 8));
  });

  await t.test("another node's reports do not hide that this node's subject went back", async () => {
    await beginAnew();
    const publisher = makePublisher();
    publisher.attach(await link(server));
    for (const sequence of range(1, 5)) await publisher.publish(report(sequence));
    const { state } = await manager.streams.info(STREAM_NAME);
    for (const seq of [state.last_seq, state.last_seq - 1])
      await manager.streams.deleteMessage(STREAM_NAME, seq);
    const other = makePublisher();
    other.attach(await link(server));
    for (const sequence of range(101, 110)) await other.publish(report(sequence, { node: "other" }));
    await publisher.publish(report(6));
    assert.equal(publisher.counters().wentBack, 1);
    // The server still remembers the ids of the two deleted ones, unlike one that crashed: only 6 is stored.
    assert.equal(publisher.counters().resent, 5);
    assert.deepEqual(await stored(manager), [1, 2, 3, ...range(101, 110), 6]);
  });

  await t.test("a stream that was deleted and created again is filled from the tail", async () => {
    await beginAnew();
    const publisher = makePublisher();
    publisher.attach(await link(server));
    for (const sequence of range(1, 5)) await publisher.publish(report(sequence));
    await manager.streams.delete(STREAM_NAME);
    const late = publisher.publish(report(6));
    await until("the missing stream is told", () =>
      /no stream for reports/.test(publisher.limits()[0] ?? ""),
    );
    await ensureStream(manager, defaultStreamSettings);
    await late;
    assert.deepEqual(await stored(manager), range(1, 6));
    assert.equal(publisher.takeKeyframeRequest(), true);
  });

  await t.test(
    "a full buffer drops reports, counts them and asks for a keyframe once there is room",
    async () => {
      await beginAnew();
      const publisher = makePublisher({ bounds: { unacknowledgedBytesMax: 10_000 } });
      const kept = range(1, 4).map((sequence) => publisher.publish(report(sequence, {}, 2000)));
      await assert.rejects(publisher.publish(report(5, {}, 4000)), { code: "overflow" });
      await assert.rejects(publisher.publish(report(6)), { code: "overflow" }, "builds on a dropped one");
      assert.equal(publisher.takeKeyframeRequest(), false, "no connection yet");
      publisher.attach(await link(server));
      await Promise.all(kept);
      assert.equal(publisher.takeKeyframeRequest(), true);
      await assert.rejects(publisher.publish(report(7)), { code: "overflow" }, "still no keyframe");
      await publisher.publish(report(8, { keyframe: true }));
      await publisher.publish(report(9));
      assert.deepEqual(await stored(manager), [1, 2, 3, 4, 8, 9]);
      assert.equal(publisher.counters().dropped, 3);
    },
  );

  await t.test("a keyframe larger than the buffer goes out whole", async () => {
    await beginAnew();
    const publisher = makePublisher({ bounds: { unacknowledgedBytesMax: 5000 } });
    const parts = range(0, 4).map((part) =>
      publisher.publish(report(part + 1, { keyframe: true, part, parts: 5 }, 2000)),
    );
    await assert.rejects(publisher.publish(report(6)), { code: "overflow" });
    publisher.attach(await link(server));
    await Promise.all(parts);
    assert.equal(publisher.keyframeAcknowledged, true);
    assert.deepEqual(await stored(manager), range(1, 5));
  });

  await t.test(
    "a report beyond NATS's largest message is dropped and told, and holds up nothing",
    async () => {
      await beginAnew();
      const publisher = makePublisher();
      publisher.attach(await link(server));
      await assert.rejects(publisher.publish(report(1, {}, 2 ** 20)), { code: "too-large" });
      await publisher.publish(report(2));
    },
  );

  await t.test("flush waits no longer than its limit, close rejects what waits", async () => {
    const publisher = makePublisher();
    const left = assert.rejects(publisher.publish(report(1)), { code: "closed" });
    assert.equal(await publisher.flush(30), false);
    await publisher.close();
    await left;
    await assert.rejects(publisher.publish(report(2)), { code: "closed" });
    await assert.rejects(publisher.publish(Uint8Array.of(255)), { code: "malformed" });
  });
});

const users = (allowed: string): string => `authorization { users = [
  { user: aggregator, password: "a" }
  { user: agent, password: "b", permissions: { publish: ["${allowed}"], subscribe: ["_INBOX.>"] } } ] }`;

test("an agent without the permission to publish says so, and resumes once it has it", { skip }, async () => {
  const server = await startServer(users("whotalks.v1.report.another.>"));
  const control = await link(server, { user: "aggregator", password: "a" });
  await ensureStream(await jetstreamManager(control.connection), defaultStreamSettings);
  const publisher = makePublisher();
  publisher.attach(await link(server, { user: "agent", password: "b" }));
  const published = publisher.publish(report(1));
  await until("the refusal is told", () =>
    /does not allow this agent to publish/.test(publisher.limits()[0] ?? ""),
  );
  await server.stop("SIGTERM");
  await server.start(users("whotalks.v1.report.*.*"));
  await published;
});

test("a stream without room is reported", { skip }, async () => {
  const server = await startServer();
  const control = await link(server);
  const manager = await jetstreamManager(control.connection);
  await manager.streams.add({
    name: STREAM_NAME,
    subjects: ["whotalks.v1.report.>"],
    max_bytes: 500,
    discard: "new",
  });
  const publisher = makePublisher();
  publisher.attach(await link(server));
  const published = assert.rejects(publisher.publish(report(1, {}, 1000)), { code: "closed" });
  await until("the full stream is reported", () => /no room for reports/.test(publisher.limits()[0] ?? ""));
  await publisher.close();
  await published;
});

test("wrong credentials are tried again until they are right", { skip }, async () => {
  const server = await startServer(`authorization { user: agent, password: "new" }`);
  const warnings: object[] = [];
  const log = { ...silentLog, warn: (fields: object) => void warnings.push(fields) };
  const waiting = connectForEver(
    { servers: [server.url], name: "test", user: "agent", password: "old" },
    log,
    AbortSignal.timeout(20_000),
  );
  await until("the refusal is logged", () => warnings.length > 0);
  assert.match(JSON.stringify(warnings), /Authorization Violation/i);
  assert.doesNotMatch(JSON.stringify(warnings), /old/);
  await server.stop("SIGTERM");
  await server.start(`authorization { user: agent, password: "old" }`);
  const made = await waiting;
  assert.equal(made.connected, true);
  await made.close();
});
