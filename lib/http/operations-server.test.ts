import assert from "node:assert/strict";
import { test } from "node:test";
import { Registry } from "prom-client";
import { registerMetrics } from "./metrics.ts";
import { startOperationsServer } from "./operations-server.ts";

test("metrics and probes over HTTP", async (t) => {
  let reports = 3;
  let notReady: string | null = "no keyframe was acknowledged yet";
  const metrics = new Registry();
  registerMetrics(metrics, "whotalks_agent_", [
    { name: "reports_total", help: "Reports.", type: "counter", value: () => reports },
    { name: "waiting", help: "Waiting.", type: "gauge", value: () => 7 },
  ]);
  const server = await startOperationsServer({
    host: "127.0.0.1",
    port: 0,
    metrics,
    live: () => null,
    ready: () => notReady,
  });
  t.after(() => server.close());
  const get = async (path: string, method = "GET"): Promise<[number, string]> => {
    const response = await fetch(`http://127.0.0.1:${server.port}${path}`, { method });
    return [response.status, await response.text()];
  };
  assert.deepEqual(await get("/livez"), [200, "ok\n"]);
  assert.deepEqual(await get("/readyz"), [503, "no keyframe was acknowledged yet\n"]);
  notReady = null;
  assert.deepEqual(await get("/readyz?verbose"), [200, "ok\n"]);
  assert.match((await get("/metrics"))[1], /whotalks_agent_reports_total 3\n/);
  reports = 5;
  const [, text] = await get("/metrics");
  assert.match(text, /whotalks_agent_reports_total 5\n/);
  assert.match(text, /# TYPE whotalks_agent_waiting gauge\nwhotalks_agent_waiting 7\n/);
  assert.equal((await get("/"))[0], 404);
  assert.equal((await get("/metrics", "POST"))[0], 405);
});

test("an address that is taken is an error", async (t) => {
  const probes = { metrics: new Registry(), live: () => null, ready: () => null };
  const first = await startOperationsServer({ host: "127.0.0.1", port: 0, ...probes });
  t.after(() => first.close());
  await assert.rejects(startOperationsServer({ host: "127.0.0.1", port: first.port, ...probes }), {
    code: "EADDRINUSE",
  });
});
