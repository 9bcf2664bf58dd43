// Runs the CLI from the checkout as a user would, and parses its output.

import { execFile } from "node:child_process";
import path from "node:path";
import { promisify } from "node:util";

const execFileAsync = promisify(execFile);

/** Path of the CLI's sources. */
export const cliPath = path.join(import.meta.dirname, "../../cli/main.ts");

/** One side of a connection in JSON, with the fields that tests read. */
export interface EndpointJson {
  kind: string;
  ip?: string;
  port?: number;
  inode?: number;
  state?: string;
  networkNamespace?: number;
  process?: { pid: number; name: string };
  holders?: { pid: number; fd: number }[];
}

/** A connection in JSON, with the fields that tests read. */
export interface ConnectionJson {
  client: EndpointJson;
  server: EndpointJson;
  /** What the client dialled, if that is not the server. */
  via?: { ip: string; port: number };
  /** What the server saw, if that is not the client. */
  snat?: { ip: string; port: number };
  protocol: string;
  state?: string;
  closed?: boolean;
  evidence: string[];
  directionBy?: string;
  unixPath?: string;
}

/** A listener in JSON, with the fields that tests read. */
export interface ListenerJson {
  endpoint: EndpointJson;
  protocol: string;
  address: string;
  port?: number;
}

/** A list as `-o json` prints it. */
export interface ListJson<Item> {
  apiVersion: string;
  kind: string;
  coverage: {
    nodes: { namespaces: number; limits?: string[]; [field: string]: unknown }[];
    [field: string]: unknown;
  };
  items: Item[];
}

/** Returns the output of `whotalks ARGUMENTS`; rejects if its exit code is not 0. */
export async function whotalks(...words: string[]): Promise<string> {
  const { stdout } = await execFileAsync(process.execPath, [cliPath, ...words], { maxBuffer: 2 ** 28 });
  return stdout;
}

const everyProtocol = ["--protocol", "all"];

/** Returns the output of `whotalks local --once connections -o json`, for every protocol. */
export async function connectionsOnce(...words: string[]): Promise<ListJson<ConnectionJson>> {
  return once<ConnectionJson>("connections", words);
}

/** Returns the output of `whotalks local --once listeners -o json`, for every protocol. */
export async function listenersOnce(...words: string[]): Promise<ListJson<ListenerJson>> {
  return once<ListenerJson>("listeners", words);
}

async function once<Item>(subject: string, words: readonly string[]): Promise<ListJson<Item>> {
  const line = ["local", "--once", subject, "-o", "json", "--listen", "none", ...everyProtocol, ...words];
  return JSON.parse(await whotalks(...line)) as ListJson<Item>;
}

/** Calls until the check no longer throws; after the deadline, throws its last error. */
export async function eventually<Value>(check: () => Promise<Value>, deadlineMs = 30_000): Promise<Value> {
  const end = Date.now() + deadlineMs;
  for (;;) {
    try {
      return await check();
    } catch (error) {
      if (Date.now() > end) throw error;
    }
  }
}
