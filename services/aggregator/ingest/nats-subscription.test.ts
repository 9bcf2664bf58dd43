import assert from "node:assert/strict";
import { after, test } from "node:test";
import { jetstream, type JetStreamClient, jetstreamManager, type JetStreamManager } from "@nats-io/jetstream";
import { Report } from "../../../lib/gen/whotalks/v1/report.ts";
import { connectForEver, type NatsLink } from "../../../lib/nats/connection.ts";
import { until } from "../../../lib/testing/eventually.ts";
import { TestNatsServer, natsServerMissing } from "../../../lib/testing/nats-server.ts";
import { reportHeaders } from "../../../lib/nats/report-message.ts";
import { ensureStream } from "../../../lib/nats/stream.ts";
import { reportSubject, STREAM_NAME } from "../../../lib/nats/subjects.ts";
import { silentLog } from "../../../lib/testing/silent-log.ts";
import { defaultStreamSettings } from "../../../lib/testing/stream-settings.ts";
import { KEYFRAME_AGE_MS_MAX, type ReplayDepth } from "./nats-replay-start.ts";
import { NatsSubscription } from "./nats-subscription.ts";

const options = { skip: natsServerMissing() ?? false, timeout: 60_000 };
const newestKeyframes: ReplayDepth = { lookbackMs: 0, keyframeAgeMsMax: KEYFRAME_AGE_MS_MAX };
const cleanups: (() => Promise<void>)[] = [];
after(async () => {
  for (const cleanup of cleanups.toReversed()) await cleanup();
});

/** A server with the stream, and ways to write to it and to read it. */
class Bench {
  readonly server: TestNatsServer;
  readonly control: NatsLink;
  readonly manager: JetStreamManager;
  readonly #client: JetStreamClient;

  private constructor(server: TestNatsServer, control: NatsLink, manager: JetStreamManager) {
    this.server = server;
    this.control = control;
    this.manager = manager;
    this.#client = jetstream(control.connection);
  }

  static async start(): Promise<Bench> {
    const server = await TestNatsServer.start();
    cleanups.push(() => server.remove());
    const control = await connect(server);
    const manager = await jetstreamManager(control.connection);
    await ensureStream(manager, defaultStreamSettings);
    return new Bench(server, control, manager);
  }

  /** Publishes the first part of a keyframe, or any other report. */
  async put(node: string, sequence: number, keyframe = false, waitedMs = 0): Promise<void> {
    const bytes = Report.encode(
      Report.fromPartial({ schema: 1, node, epoch: 1, sequence, keyframe, parts: 1 }),
    ).finish();
    await this.putBytes(reportSubject(node, keyframe), bytes, waitedMs);
  }

  async putBytes(subject: string, bytes: Uint8Array, waitedMs = 0): Promise<void> {
    await until("the test's connection is back", () => this.control.connected);
    await this.#client.publish(subject, bytes, { headers: reportHeaders(waitedMs), retries: 10 });
  }

  /** Waits until a message is this old. */
  async passTime(sequence: number, ageMs: number): Promise<void> {
    const message = await this.manager.streams.getMessage(STREAM_NAME, { seq: sequence });
    await until("time has passed", () => Date.now() > message!.time.getTime() + ageMs);
  }

  /** Reads the stream; reports that arrive are appended to `got` as "node/sequence". */
  async subscribe(depth = newestKeyframes): Promise<Reading> {
    const got: string[] = [];
    const times: number[] = [];
    const subscription = new NatsSubscription({
      link: await connect(this.server),
      stream: defaultStreamSettings,
      depth,
      againDepth: newestKeyframes,
      handler: (report, timeMs) => {
        const { node, sequence } = Report.decode(report);
        got.push(`${node}/${sequence}`);
        times.push(timeMs);
      },
      log: silentLog,
    });
    cleanups.push(() => subscription.stop());
    return { got, times, subscription };
  }
}

interface Reading {
  readonly got: string[];
  readonly times: number[];
  readonly subscription: NatsSubscription;
}

async function connect(server: TestNatsServer): Promise<NatsLink> {
  const link = await connectForEver(
    { servers: [server.url], name: "test" },
    silentLog,
    AbortSignal.timeout(20_000),
  );
  cleanups.push(() => link.close());
  return link;
}

const run = (node: string, from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => `${node}/${from + i}`);

test(
  "a replay begins with each node's newest keyframe and continues live without a gap",
  options,
  async () => {
    const bench = await Bench.start();
    await bench.put("a.example", 1, true);
    await bench.put("b", 1, true);
    await bench.put("a.example", 2);
    await bench.put("b", 2);
    await bench.put("a.example", 3, true);
    await bench.put("b", 3);
    await bench.put("a.example", 4);
    let sequence = 4;
    const writing = new AbortController();
    const writer = (async () => {
      while (!writing.signal.aborted) await bench.put("a.example", ++sequence);
    })();
    const { got, subscription } = await bench.subscribe();
    await subscription.ready;
    // a.example/2 builds on a keyframe that is not replayed: the receiver drops it.
    assert.deepEqual(got.slice(0, 4), ["b/1", "a.example/2", "b/2", "a.example/3"]);
    await until("live reports", () => got.length > 100);
    writing.abort();
    await writer;
    await until("all have arrived", () => got.length === sequence + 2);
    const ofA = got.filter((entry) => entry.startsWith("a.example/"));
    assert.deepEqual(ofA, run("a.example", 2, sequence));
    assert.equal(subscription.counters().behind, 0);
  },
);

test(
  "the further parts of a keyframe come with it, since only the first is on the keyframe's subject",
  options,
  async () => {
    const bench = await Bench.start();
    await bench.put("a", 1, true);
    for (const part of [0, 1, 2]) {
      const fields = { schema: 1, node: "a", epoch: 1, sequence: 2 + part, keyframe: true, part, parts: 3 };
      await bench.putBytes(
        reportSubject("a", part === 0),
        Report.encode(Report.fromPartial(fields)).finish(),
      );
    }
    const { got, subscription } = await bench.subscribe();
    await subscription.ready;
    assert.deepEqual(got, run("a", 2, 4));
  },
);

test("an empty stream is ready at once, and several readers each get everything", options, async () => {
  const bench = await Bench.start();
  const readings = [await bench.subscribe(), await bench.subscribe()];
  for (const { subscription } of readings) await subscription.ready;
  await bench.put("a", 1, true);
  for (const { got } of readings) await until("it has arrived", () => got.length === 1);
});

test("times are the stream's, less what the report waited in its agent", options, async () => {
  const bench = await Bench.start();
  await bench.put("a", 1, true);
  await bench.put("a", 2, false, 60_000);
  const { times, subscription } = await bench.subscribe();
  await subscription.ready;
  const message = await bench.manager.streams.getMessage(STREAM_NAME, { seq: 1 });
  assert.equal(times[0], message?.time.getTime());
  const apart = times[0]! - times[1]!;
  assert.ok(apart > 55_000 && apart <= 60_000, `${apart} ms`);
});

test("garbage and reports under another node's name are rejected and counted", options, async () => {
  const bench = await Bench.start();
  const forged = Report.encode(Report.fromPartial({ schema: 1, node: "b", epoch: 1, sequence: 1 })).finish();
  await bench.putBytes(reportSubject("a", false), forged);
  await bench.putBytes(reportSubject("a", false), Uint8Array.of(255, 255, 255));
  await bench.putBytes("whotalks.v1.report.a.other", forged);
  await bench.put("a", 1, true);
  const { got, subscription } = await bench.subscribe({
    lookbackMs: 60_000,
    keyframeAgeMsMax: KEYFRAME_AGE_MS_MAX,
  });
  await subscription.ready;
  assert.deepEqual(got, ["a/1"]);
  assert.equal(subscription.counters().rejected, 3);
});

test(
  "looking back replays older keyframes too, and nodes that are long gone are left out",
  options,
  async () => {
    const bench = await Bench.start();
    await bench.put("gone", 1, true);
    await bench.passTime(1, 600);
    await bench.put("a", 1, true);
    await bench.put("a", 2);
    await bench.put("a", 3, true);
    const near = await bench.subscribe({ lookbackMs: 0, keyframeAgeMsMax: 250 });
    const far = await bench.subscribe({ lookbackMs: 250, keyframeAgeMsMax: 250 });
    await near.subscription.ready;
    await far.subscription.ready;
    assert.deepEqual(near.got, ["a/3"]);
    assert.deepEqual(far.got, run("a", 1, 3));
  },
);

test("looking back begins at a node's last keyframe before that time, not after it", options, async () => {
  const bench = await Bench.start();
  await bench.put("a", 1, true);
  await bench.put("a", 2, true);
  await bench.put("b", 1, true);
  await bench.put("a", 3);
  await bench.passTime(4, 600);
  await bench.put("a", 4);
  await bench.put("b", 2, true);
  await bench.put("a", 5, true);
  const { got, subscription } = await bench.subscribe({ lookbackMs: 400, keyframeAgeMsMax: 5000 });
  await subscription.ready;
  assert.deepEqual(got, ["a/2", "b/1", "a/3", "a/4", "b/2", "a/5"]);
});

test("without a limit everything that the stream has is replayed", options, async () => {
  const bench = await Bench.start();
  for (let sequence = 1; sequence <= 20; sequence++) await bench.put("a", sequence, sequence % 5 === 1);
  const { got, subscription } = await bench.subscribe({ lookbackMs: Infinity, keyframeAgeMsMax: 0 });
  await subscription.ready;
  assert.deepEqual(got, run("a", 1, 20));
});

test("JetStream away in the middle of a replay: it continues where it was", options, async () => {
  const bench = await Bench.start();
  for (let sequence = 1; sequence <= 2000; sequence++) await bench.put("a", sequence, sequence % 100 === 1);
  const { got, subscription } = await bench.subscribe({ lookbackMs: Infinity, keyframeAgeMsMax: 0 });
  await until("a part has arrived", () => got.length > 10);
  await bench.server.stop("SIGKILL");
  await bench.server.start();
  await subscription.ready;
  assert.deepEqual(got, run("a", 1, 2000));
});

test("NATS killed and restarted: reading continues where it stopped", options, async () => {
  const bench = await Bench.start();
  const { got, subscription } = await bench.subscribe();
  await bench.put("a", 1, true);
  for (let sequence = 2; sequence <= 50; sequence++) await bench.put("a", sequence);
  await until("half has arrived", () => got.length === 50);
  await bench.server.stop("SIGKILL");
  await bench.server.start();
  for (let sequence = 51; sequence <= 100; sequence++) await bench.put("a", sequence);
  await until("the rest has arrived", () => got.length >= 100);
  assert.deepEqual(got, run("a", 1, 100));
  assert.equal(subscription.counters().restarts, 0);
});

test(
  "a stream that went back is read anew, also where it has grown beyond the old place",
  options,
  async () => {
    const bench = await Bench.start();
    const { got, subscription } = await bench.subscribe();
    await bench.put("a", 1, true);
    for (let sequence = 2; sequence <= 10; sequence++) await bench.put("a", sequence);
    await until("all have arrived", () => got.length === 10);
    await bench.server.stop("SIGTERM");
    await bench.server.saveStore();
    await bench.server.start();
    for (let sequence = 11; sequence <= 20; sequence++) await bench.put("a", sequence);
    await until("all have arrived", () => got.length === 20);
    await bench.server.stop("SIGKILL");
    await bench.server.restoreStore();
    await bench.server.start();
    for (let sequence = 21; sequence <= 50; sequence++) await bench.put("a", sequence);
    await until("the lost places' reports have arrived", () => new Set(got).size === 50);
    await until("the last has arrived", () => got.at(-1) === "a/50");
    assert.equal(subscription.counters().restarts, 1);
  },
);

test("a deleted stream is created again and read from its beginning", options, async () => {
  const bench = await Bench.start();
  const { got, subscription } = await bench.subscribe();
  await bench.put("a", 1, true);
  for (let sequence = 2; sequence <= 10; sequence++) await bench.put("a", sequence);
  await until("all have arrived", () => got.length === 10);
  await bench.manager.streams.delete(STREAM_NAME);
  await until(
    "the stream is there again",
    async () => (await bench.manager.streams.names().next()).includes(STREAM_NAME),
    50_000,
  );
  await bench.put("a", 11);
  await until("it has arrived", () => got.at(-1) === "a/11");
  assert.equal(subscription.counters().restarts, 1);
});

test("a handler that throws loses its report and no other", options, async () => {
  const bench = await Bench.start();
  const got: number[] = [];
  const subscription = new NatsSubscription({
    link: await connect(bench.server),
    stream: defaultStreamSettings,
    depth: newestKeyframes,
    againDepth: newestKeyframes,
    handler: (report) => {
      const { sequence } = Report.decode(report);
      if (sequence === 2) throw new Error("cannot");
      got.push(sequence);
    },
    log: silentLog,
  });
  cleanups.push(() => subscription.stop());
  for (const sequence of [1, 2, 3]) await bench.put("a", sequence, sequence === 1);
  await until("the others have arrived", () => got.length === 2);
  assert.deepEqual(got, [1, 3]);
  assert.equal(subscription.counters().failed, 1);
});
