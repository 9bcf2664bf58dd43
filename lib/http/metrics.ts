// Metrics that are read from a program's own counters when Prometheus asks, so that no stage knows of Prometheus.

import { Counter, Gauge, type Registry } from "prom-client";

/** One metric: its name without the program's prefix, its help text, and where its value is. */
export interface MetricSource {
  readonly name: string;
  readonly help: string;
  /** A counter only grows; a gauge does what it likes. */
  readonly type: "counter" | "gauge";
  readonly value: () => number;
}

/** Registers the metrics as `<prefix><name>`. */
export function registerMetrics(registry: Registry, prefix: string, sources: readonly MetricSource[]): void {
  for (const { name, help, type, value } of sources) {
    const registers = [registry];
    if (type === "gauge") {
      const gauge: Gauge = new Gauge({
        name: prefix + name,
        help,
        registers,
        collect: () => gauge.set(value()),
      });
      continue;
    }
    const counter: Counter = new Counter({
      name: prefix + name,
      help,
      registers,
      collect: () => {
        counter.reset();
        counter.inc(value());
      },
    });
  }
}
