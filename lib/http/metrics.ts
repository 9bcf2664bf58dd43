// Metrics that are read from a program's own counters when Prometheus asks, so that no stage knows of
// Prometheus.

import { collectDefaultMetrics, Counter, Gauge, Registry } from "prom-client";

/**
 * Milliseconds between two looks at the event loop's lag. Unless told, prom-client looks a hundred times a
 * second, which alone takes 0.4 % of a core.
 */
const EVENT_LOOP_LOOK_MS = 1000;

/** A registry with the metrics of the process and of Node itself. */
export function createRegistry(): Registry {
  const registry = new Registry();
  collectDefaultMetrics({ register: registry, eventLoopMonitoringPrecision: EVENT_LOOP_LOOK_MS });
  return registry;
}

/** One metric: its name without the program's prefix, its help text, and where its value is. */
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
