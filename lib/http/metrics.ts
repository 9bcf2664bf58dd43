// Metrics read from a program's own counters on each scrape, so that no other code depends on Prometheus.

import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";

/**
 * Sampling interval of the event loop's lag. prom-client's default is a hundred samples a second, which takes
 * 0.4 % of a core.
 */
const EVENT_LOOP_LOOK_MS = 1000;

/** Creates a registry with the metrics of the process and of Node.js itself. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS });
  return registry;
}

/** One metric: its name without the program's prefix, its help text, and a function that reads its value. */
export interface MetricSource {
  readonly name: string;
  readonly help: string;
  /** A counter only grows; a gauge may go up and down. */
  readonly type: "counter" | "gauge";
  readonly value: () => number;
}

export function counter(name: string, help: string, value: () => number): MetricSource {
  return { name, help, value, type: "counter" };
}

export function gauge(name: string, help: string, value: () => number): MetricSource {
  return { name, help, value, type: "gauge" };
}

/** Registers the metrics as `<prefix><name>`. */
export function registerMetrics(registry: Registry, prefix: string, sources: readonly MetricSource[]): void {
  for (const { name, help, type, value } of sources) {
    const registers = [registry];
    if (type === "gauge") {
      const metric: Gauge = new Gauge({
        name: prefix + name,
        help,
        registers,
        collect: () => metric.set(value()),
      });
      continue;
    }
    const metric: Counter = new Counter({
      name: prefix + name,
      help,
      registers,
      collect: () => {
        metric.reset();
        metric.inc(value());
      },
    });
  }
}
