// Reads a namespace's flows, including ids and changes, once per request.

import { flowSourceOf, taken } from "../../services/node-agent/conntrack/testing/flows.ts";
import { serveRounds } from "../measure.ts";

const { pid, choice } = JSON.parse(process.argv[2]!) as { pid: number; choice: "dump" | "proc" };
let nowMs = 0;
const source = flowSourceOf(pid, choice, () => nowMs);

await serveRounds(async () => {
  // Longer than the pause after any of these readings.
  nowMs += 15_000;
  await source.refresh();
  taken(source);
  return { entries: source.size };
});
