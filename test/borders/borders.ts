// Which folder may import which: the table of ARCHITECTURE.md, enforced by borders.test.ts. Product code only:
// tests and the content of testing/ may import anything.

/** A room: a folder with everything below it that is not a room itself, or a few files. */
export interface Room {
  /** A path from the project's root: a folder, or a file. */
  readonly path: string;
  /** Rooms that it may import besides itself, by path. Every room may import lib. */
  readonly imports: readonly string[];
}

const agent = "services/node-agent";
const aggregator = "services/aggregator";

/** Types that the agent's stages pass to each other; the stages below import them. */
const shapes = [`${agent}/observation.ts`, `${agent}/agent-parts.ts`];
const agentRooms: Readonly<Record<string, readonly string[]>> = {
  gen: [],
  ids: shapes,
  procfs: shapes,
  kernel: ["procfs"],
  attribute: [...shapes, "ids"],
  processes: [...shapes, "attribute", "kernel", "procfs"],
  readers: [...shapes, "kernel", "processes", "procfs"],
  destroyed: [...shapes, "gen", "ids", "kernel", "processes"],
  observe: [...shapes, "destroyed", "ids"],
  conntrack: [...shapes, "ids", "kernel", "processes", "procfs", "readers"],
  heard: [...shapes, "attribute", "ids", "kernel", "observe", "readers"],
  delta: shapes,
  pass: [...shapes, "delta", "destroyed", "ids", "observe"],
  pods: shapes,
  publish: [],
};
const aggregatorRooms: Readonly<Record<string, readonly string[]>> = {
  gen: ["model"],
  // Identity types: endpoints name pods. The embedded identity reads the model.
  identity: ["model"],
  model: ["gen", "identity"],
  match: ["identity", "model"],
  settle: ["match", "model"],
  apply: ["gen", "identity", "match", "model", "settle"],
  ingest: ["apply", "match", "model"],
  view: ["gen", "identity", "match", "model", "settle"],
  query: ["gen", "identity", "view"],
  serve: ["query"],
};
const cliRooms: Readonly<Record<string, readonly string[]>> = {
  text: [],
  views: ["text"],
  jsonpath: ["text"],
  command: ["jsonpath", "views"],
  ask: ["command", "views"],
  output: ["ask", "command", "jsonpath", "text", "views"],
  cluster: ["ask", "command"],
  live: ["output", "text"],
  print: ["ask", "command", "jsonpath", "live", "output", "text", "views"],
  version: ["ask", "cluster", "command", "output", "text"],
  completion: ["cluster", "command", "output", "text", "views"],
  docs: ["command", "views"],
  // `whotalks local` runs both services in one process: it may use their entry points, and nothing behind
  // them.
  local: [
    "ask",
    "command",
    `${aggregator}/aggregator.ts`,
    `${aggregator}/query`,
    `${aggregator}/serve`,
    `${agent}/node-agent.ts`,
    `${agent}/agent-parts.ts`,
    `${agent}/readers/live-proc.ts`,
  ],
};

/** Rooms, the most specific first: a file belongs to the first room whose path is a prefix of its own. */
export const rooms: readonly Room[] = [
  ...shapes.map((path) => ({ path, imports: [...shapes, `${agent}/destroyed`, `${agent}/delta`] })),
  ...roomsOf(agent, agentRooms),
  {
    path: agent,
    imports: Object.keys(agentRooms)
      .map((name) => `${agent}/${name}`)
      .concat(shapes),
  },
  ...roomsOf(aggregator, aggregatorRooms),
  { path: aggregator, imports: Object.keys(aggregatorRooms).map((name) => `${aggregator}/${name}`) },
  ...roomsOf("cli", cliRooms),
  { path: "cli", imports: Object.keys(cliRooms).map((name) => `cli/${name}`) },
  { path: "lib", imports: ["package.json"] },
];

function roomsOf(parent: string, table: Readonly<Record<string, readonly string[]>>): Room[] {
  return Object.entries(table).map(([name, imports]) => ({
    path: `${parent}/${name}`,
    imports: imports.map((each) => (each.includes("/") ? each : `${parent}/${each}`)),
  }));
}

/** Writers of the aggregator's tables: only these rooms may import them. */
export const writers = /^services\/aggregator\/model\/.*-(table|counts)\.ts$/;
export const writingRooms: readonly string[] = [
  `${aggregator}/model`,
  `${aggregator}/apply`,
  `${aggregator}/ingest`,
];

/** Product files per folder; tests and generated files are not counted. */
export const FOLDER_FILES_MAX = 15;

/** Fields of a class in product code that are not columns (typed arrays). */
export const CLASS_FIELDS_MAX = 12;

/** Classes that have more fields, with the reason why they read better so. */
export const largeClasses: Readonly<Record<string, string>> = {
  Model: "one field for each table; it does nothing else",
  ConntrackEntry: "one field for each attribute of a conntrack message",
};
