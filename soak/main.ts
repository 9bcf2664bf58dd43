// `npm run soak -- NAME [--histories N] [--seed S]`: runs for any length of time what `npm test` runs for
// seconds.

import { parseArgs } from "node:util";

const soaks: Readonly<Record<string, () => Promise<{ run(options: SoakOptions): boolean }>>> = {
  join: () => import("./join.ts"),
};

/** Options of every soak. */
export interface SoakOptions {
  readonly histories: number;
  readonly seed: number;
}

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    histories: { type: "string", default: "100000" },
    seed: { type: "string", default: "20261122" },
  },
});
const [name] = positionals;
const load = name === undefined ? undefined : soaks[name];
const options: SoakOptions = { histories: Number(values.histories), seed: Number(values.seed) };
if (load === undefined || !Number.isInteger(options.histories) || !Number.isInteger(options.seed)) {
  console.error(
    `usage: npm run soak -- NAME [--histories N] [--seed S], where NAME is one of: ${Object.keys(soaks).join(", ")}`,
  );
  process.exit(2);
}
const soak = await load();
process.exit(soak.run(options) ? 0 : 1);
