// Node's HTTP without its WebSocket. An import of a built-in module looks up all of its names, and that one,
// which nobody here asks for, is made of the whole HTTP client undici: 11 MiB.

/** The module `node:http`, whose names are looked up when they are used. */
export const nodeHttp = process.getBuiltinModule("node:http");
