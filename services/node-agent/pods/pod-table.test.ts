import assert from "node:assert/strict";
import { test } from "node:test";
import { ENDED_KEPT_MS, PodTable, PODS_MAX } from "./pod-table.ts";

const pod = (uid: string, phase = "Running", ip = "10.0.0.1"): object => ({
  metadata: { uid, name: `pod-${uid}`, namespace: "n" },
  status: { phase, podIP: ip },
});

function table(): { pods: PodTable; clock: { ms: number } } {
  const clock = { ms: 1000 };
  return { pods: new PodTable(() => clock.ms), clock };
}

test("new and changed pods are returned once, all of them on request", () => {
  const { pods, clock } = table();
  pods.put(pod("a"));
  pods.put(pod("b"));
  assert.deepEqual(
    pods.changed().map(({ uid, firstSeen, ended }) => [uid, firstSeen, ended]),
    [
      ["a", 100, 0],
      ["b", 100, 0],
    ],
  );
  clock.ms = 2000;
  pods.put(pod("a"));
  assert.deepEqual(pods.changed(), [], "nothing about it changed");
  pods.put(pod("a", "Running", "10.0.0.2"));
  assert.deepEqual(
    pods.changed().map(({ uid, addresses, firstSeen }) => [uid, addresses, firstSeen]),
    [["a", ["10.0.0.2"], 100]],
  );
  assert.equal(pods.all().length, 2);
});

test("all() leaves nothing for changed()", () => {
  const { pods } = table();
  pods.put(pod("a"));
  pods.all();
  assert.deepEqual(pods.changed(), []);
});

test("a deleted pod is reported as ended, stays for a while, then is removed", () => {
  const { pods, clock } = table();
  pods.put(pod("a"));
  pods.all();
  clock.ms = 5000;
  pods.remove("a");
  assert.deepEqual(
    pods.changed().map(({ uid, ended }) => [uid, ended]),
    [["a", 500]],
  );
  clock.ms = 5000 + ENDED_KEPT_MS;
  assert.equal(pods.all().length, 1);
  clock.ms++;
  assert.equal(pods.all().length, 0);
  assert.equal(pods.size, 0);
});

test("a pod that is done ended then, and its deletion later changes nothing", () => {
  const { pods, clock } = table();
  pods.put(pod("a"));
  clock.ms = 2000;
  pods.put(pod("a", "Succeeded"));
  clock.ms = 9000;
  pods.put(pod("a", "Succeeded", ""));
  pods.remove("a");
  assert.deepEqual(
    pods.all().map(({ ended, phase }) => [ended, phase]),
    [[200, "Succeeded"]],
  );
});

test("a job's pod that the API server keeps for days is reported for a while, and is not new at the next list", () => {
  const { pods, clock } = table();
  pods.put(pod("a", "Succeeded"));
  clock.ms += ENDED_KEPT_MS + 1;
  assert.deepEqual(pods.all(), []);
  pods.put(pod("a", "Succeeded"));
  assert.deepEqual(pods.changed(), []);
  assert.deepEqual(pods.all(), []);
});

test("what makes no sense is refused, what has no place is counted", () => {
  const { pods } = table();
  assert.equal(pods.put({ kind: "Pod" }), false);
  for (let i = 0; i < PODS_MAX + 2; i++) pods.put(pod(String(i)));
  assert.equal(pods.size, PODS_MAX);
  assert.equal(pods.overflowed, 2);
  pods.remove("never known");
});
