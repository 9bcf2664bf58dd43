// Run with fewer capabilities by fallback.test.ts: prints which reader is chosen.

import { chooseReader } from "../choose-reader.ts";

const reader = chooseReader("auto", { procRoot: "/proc", nowTicks: () => 0 });
const obstacle = reader.probe();
process.stdout.write(JSON.stringify({ name: reader.name, obstacle, limits: reader.limits() }));
