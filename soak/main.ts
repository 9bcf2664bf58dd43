// `npm run soak -- NAME [--histories N] [--seed S]`: runs for any length of time what `npm test` runs for
// seconds.

import { runTool, type Tool } from "../lib/program/run-tool.ts";
import { firstName, parseNumber } from "../lib/program/typed-values.ts";
import { refuseWords } from "../lib/program/command-line.ts";

const soaks: Readonly<Record<string, () => Promise<{ run(options: SoakOptions): boolean }>>> = {
  join: () => import("./join.ts"),
};

/** Options of every soak. */
export interface SoakOptions {
  readonly histories: number;
  readonly seed: number;
}

const DEFAULTS: SoakOptions = { histories: 100_000, seed: 20_261_122 };

/** At 120 histories a second, more than a year. */
const HISTORIES_MAX = 2 ** 32;
/** fast-check's seeds are 32-bit integers; the negative ones are of no use here. */
const SEED_MAX = 2 ** 31 - 1;

const tool = {
  start: "npm run soak",
  summary: "Simulates random histories and counts what is found; exits with 1 if anything is unexpected.",
  words: {
    usage: "NAME",
    help: ["NAME is:", "  join  random clusters and conversations, joined in any order"],
  },
  flags: {
    histories: { value: "N", help: `how many histories (default ${DEFAULTS.histories})` },
    seed: {
      value: "S",
      help: `seed of the first one; each next one has the next seed (default ${DEFAULTS.seed})`,
    },
  },
} satisfies Tool<"histories" | "seed">;

await runTool(tool, process.argv.slice(2), async ({ flags, words }) => {
  const name = firstName("NAME", words, Object.keys(soaks));
  refuseWords(words.slice(1));
  const number = (flag: keyof SoakOptions, min: number, max: number): number => {
    const text = flags.get(flag);
    return text === undefined ? DEFAULTS[flag] : parseNumber(`--${flag}`, text, min, max);
  };
  const options = { histories: number("histories", 1, HISTORIES_MAX), seed: number("seed", 0, SEED_MAX) };
  const soak = await soaks[name]!();
  process.exit(soak.run(options) ? 0 : 1);
});
