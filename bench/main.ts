// `npm run bench -- NAME`: measures whotalks and the alternatives in one run and prints medians and ratios.
// Each bench creates its own load and removes it. Machines are noisy, so rounds are interleaved; compare the
// ratios.

const benches: Readonly<Record<string, () => Promise<{ run(): Promise<void> }>>> = {
  codec: () => import("./codec/bench.ts"),
  ingest: () => import("./ingest/bench.ts"),
  conntrack: () => import("./conntrack/bench.ts"),
  procfs: () => import("./procfs/bench.ts"),
  readers: () => import("./readers/bench.ts"),
  short: () => import("./short/bench.ts"),
  idle: () => import("./idle/bench.ts"),
};

const [name] = process.argv.slice(2);
const load = name === undefined ? undefined : benches[name];
if (load === undefined) {
  console.error(`usage: npm run bench -- NAME, where NAME is one of: ${Object.keys(benches).join(", ")}`);
  process.exit(2);
}
const bench = await load();
await bench.run();
