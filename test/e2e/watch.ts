// `kubectl whotalks watch -o json` while a claim runs: its lines, with the time at which each arrived.

import { type ChildProcess, spawn } from "node:child_process";
import { type Connection, whotalksArguments } from "./answer.ts";
import type { Lifetime } from "./claim.ts";

/** A line about a connection. */
export interface WatchedEvent {
  readonly type: string;
  readonly connection: Connection;
  /** When the line arrived, in milliseconds since 1970. */
  readonly atMs: number;
}

/** Watches with these arguments until the lifetime ends; resolves when the watch has begun. */
export function startWatch(lifetime: Lifetime, ...args: readonly string[]): Promise<readonly WatchedEvent[]> {
  const child: ChildProcess = spawn(
    process.execPath,
    whotalksArguments("watch", "-o", "json", "--initial", ...args),
    { stdio: ["ignore", "pipe", "inherit"] },
  );
  lifetime.after(() => child.kill());
  const events: WatchedEvent[] = [];
  return new Promise((resolve, reject) => {
    let partial = "";
    child.stdout?.setEncoding("utf8").on("data", (text: string) => {
      const atMs = Date.now();
      const lines = (partial + text).split("\n");
      partial = lines.pop() ?? "";
      for (const line of lines) {
        const { type, connection } = JSON.parse(line) as { type: string; connection?: Connection };
        if (connection !== undefined) events.push({ type, connection, atMs });
        if (type === "synced") resolve(events);
      }
    });
    child.on("error", reject);
    child.on("close", (status) => reject(new Error(`watch ended with ${status}`)));
  });
}
