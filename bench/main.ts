// `npm run bench -- NAME`: measures whotalks and the alternatives in one run and prints medians and ratios.
// Each bench creates its own load and removes it. Machines are noisy, so rounds are interleaved; compare the
// ratios.

import { refuseWords } from "../lib/program/command-line.ts";
import { runTool } from "../lib/program/run-tool.ts";
import { firstName } from "../lib/program/typed-values.ts";

/** A bench as its file exports it. */
interface Bench {
  /** Measures and prints, all or what the words select; throws UsageError if a word selects nothing. */
  run(words: readonly string[]): Promise<void>;
}

interface Entry {
  readonly help: string;
  /** The words that it takes after its name; absent if none. */
  readonly words?: string;
  readonly load: () => Promise<Bench>;
}

const benches: Readonly<Record<string, Entry>> = {
  codec: { help: "reports: columns compared with messages", load: () => import("./codec/bench.ts") },
  ingest: { help: "the aggregator: reports, memory, answers", load: () => import("./ingest/bench.ts") },
  conntrack: { help: "dumps and events of conntrack", load: () => import("./conntrack/bench.ts") },
  procfs: { help: "a pass over /proc compared with common tools", load: () => import("./procfs/bench.ts") },
  readers: {
    help: "readers compared with common tools, with these loads only",
    words: "[NAMESPACES/SOCKETS…]",
    load: () => import("./readers/bench.ts"),
  },
  short: {
    help: "short connections: seen, named, the load slowed",
    words: "[SECONDS…]",
    load: () => import("./short/bench.ts"),
  },
  idle: {
    help: 'the cost on a quiet node; CANDIDATE is "agent READER" or "local READER"',
    words: "[NAMESPACES/SOCKETS|CANDIDATE…]",
    load: () => import("./idle/bench.ts"),
  },
  serving: {
    help: "the query API under 1,500 callers, most of whom do not read",
    words: "[ADDRESS [METRICS]]",
    load: () => import("./serving/bench.ts"),
  },
  latency: { help: "from connect() to the line in a watch", load: () => import("./latency/bench.ts") },
};

const tool = {
  start: "npm run bench",
  summary: "Measures whotalks and the alternatives in one run and prints medians and ratios.",
  words: {
    usage: "NAME [WORD…]",
    help: [
      "NAME, and the words that select a part of it, are:",
      ...Object.entries(benches).map(
        ([name, { words = "", help }]) => `  ${`${name} ${words}`.trimEnd().padEnd(31)}  ${help}`,
      ),
    ],
  },
  flags: {},
};

await runTool(tool, process.argv.slice(2), async ({ words }) => {
  const [, ...rest] = words;
  const { words: taken, load } = benches[firstName("NAME", words, Object.keys(benches))]!;
  if (taken === undefined) refuseWords(rest);
  const bench = await load();
  await bench.run(rest);
});
