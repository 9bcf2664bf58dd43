// Node's HTTP without its WebSocket. Importing a built-in module resolves all of its exports, and the
// WebSocket export, which nothing here uses, loads the whole HTTP client undici: 11 MiB.

/** The module `node:http`; its exports are resolved when they are used. */
export const nodeHttp = process.getBuiltinModule("node:http");
