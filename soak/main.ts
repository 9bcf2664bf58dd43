// `npm run soak -- NAME`: runs for any length of time what tests run for seconds.

import { runTool, type Tool } from "../lib/program/run-tool.ts";
import { firstName, parseNumber } from "../lib/program/typed-values.ts";
import { refuseWords } from "../lib/program/command-line.ts";

const soaks: Readonly<
  Record<string, () => Promise<{ run(options: SoakOptions): boolean | Promise<boolean> }>>
> = {
  join: () => import("./join.ts"),
  kills: () => import("./kills.ts"),
};

/** Options of every soak. */
export interface SoakOptions {
  /** Of `join`. */
  readonly histories: number;
  readonly seed: number;
  /** Of `kills`: how often each fault is made, and whether only a few kinds are. */
  readonly times: number;
  readonly short: boolean;
  /** Of `kills`: what the names of faults begin with; empty for all. */
  readonly fault: string;
}

const DEFAULTS = { histories: 100_000, seed: 20_261_122, times: 10 };

/** At 120 histories a second, more than a year. */
const HISTORIES_MAX = 2 ** 32;
/** fast-check's seeds are 32-bit integers; the negative ones are of no use here. */
const SEED_MAX = 2 ** 31 - 1;
const TIMES_MAX = 10_000;

const tool = {
  start: "npm run soak",
  summary: "Runs for any length of time what tests run for seconds; exits with 1 if anything is unexpected.",
  words: {
    usage: "NAME",
    help: [
      "NAME is:",
      "  join   random clusters and conversations, joined in any order",
      "  kills  faults of every kind on the cluster of $KUBECONFIG, under a load that counts itself",
    ],
  },
  flags: {
    histories: { value: "N", help: `join: how many histories (default ${DEFAULTS.histories})` },
    seed: {
      value: "S",
      help: `join: seed of the first one; each next one has the next seed (default ${DEFAULTS.seed})`,
    },
    times: { value: "N", help: `kills: how often each fault is made (default ${DEFAULTS.times})` },
    short: { help: "kills: only one fault of each component" },
    fault: { value: "NAME", help: "kills: only faults whose name begins so, such as 'agent'" },
  },
} satisfies Tool<"histories" | "seed" | "times" | "short" | "fault">;

await runTool(tool, process.argv.slice(2), async ({ flags, words }) => {
  const name = firstName("NAME", words, Object.keys(soaks));
  refuseWords(words.slice(1));
  const number = (flag: keyof typeof DEFAULTS, min: number, max: number): number => {
    const text = flags.get(flag);
    return text === undefined ? DEFAULTS[flag] : parseNumber(`--${flag}`, text, min, max);
  };
  const options = {
    histories: number("histories", 1, HISTORIES_MAX),
    seed: number("seed", 0, SEED_MAX),
    times: number("times", 1, TIMES_MAX),
    short: flags.has("short"),
    fault: flags.get("fault") ?? "",
  };
  const soak = await soaks[name]!();
  process.exit((await soak.run(options)) ? 0 : 1);
});
