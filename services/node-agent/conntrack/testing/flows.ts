// Builds and compares flows for tests, and creates network namespaces with their own conntrack tables.

import { execFileSync, spawn } from "node:child_process";
import { readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import path from "node:path";

import { formatAddress } from "../../../../lib/address.ts";
import { ConntrackEntry } from "../../../../lib/conntrack/conntrack-entry.ts";
import { conntrackProtocolWord } from "../../../../lib/vocabulary/protocols.ts";
import { flowStateWord } from "../../../../lib/vocabulary/states.ts";
import { ConntrackLineParser } from "../../../../lib/conntrack/parse-line.ts";
import { FlowTable } from "../../../../lib/flow-table.ts";
import { FLOW_ROWS_MAX } from "../../../../lib/gen/tables/flow-columns.ts";
import type { FlowChanges } from "../../observation.ts";
import type { ConntrackChoice } from "../../../../lib/vocabulary/conntrack-choices.ts";
import { FlowSource } from "../flow-source.ts";
import { createFlowIds, noFlowChanges } from "../flow-tracker.ts";

/** Parses a line of text into an entry; throws if the line is malformed. */
export function entryOf(line: string): ConntrackEntry {
  const entry = new ConntrackEntry();
  const bytes = Buffer.from(line);
  if (!new ConntrackLineParser(entry).parse(bytes, 0, bytes.length)) throw new Error(`no entry: ${line}`);
  return entry;
}

/** Formats what does not change of a flow: protocol, both tuples, zone, and the kernel's id if `withId`. */
export function flowText(table: FlowTable, row: number, withId: boolean): string {
  const place = (which: number): string =>
    `${formatAddress(table.addresses, row * 16 + which * 4)}/${table.ports[row * 4 + which]}`;
  const protocol = table.protocol[row]!;
  const tuples = `${place(0)} > ${place(1)}, ${place(2)} > ${place(3)}`;
  const state = flowStateWord(protocol, table.state[row]!);
  return `${conntrackProtocolWord(protocol)} ${protocol} ${state} ${tuples} zone ${table.zone[row]}${withId ? ` id ${table.kernelId[row]}` : ""}`;
}

/** Formats the entries of a text, one per line, as flowText() does; sorted. */
export function textsOfLines(text: string, withId: boolean): string[] {
  const table = new FlowTable();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const row = table.append();
    table.write(row, entryOf(line));
  }
  return Array.from({ length: table.length }, (_, row) => flowText(table, row, withId)).toSorted((a, b) =>
    a.localeCompare(b),
  );
}

/** Creates a source of the flows of a process's namespace; by default its clock does not move. */
export function flowSourceOf(
  pid: number,
  choice: ConntrackChoice,
  elapsedMs: () => number = () => 0,
  bufferMaxBytes?: number,
): FlowSource {
  const directory = `/proc/${pid}`;
  const ids = createFlowIds();
  return new FlowSource({
    ...(bufferMaxBytes === undefined ? {} : { bufferMaxBytes }),
    directory,
    inode: 0,
    choice,
    listens: true,
    ids,
    rowsMax: FLOW_ROWS_MAX,
    elapsedMs,
  });
}

/** Returns what changed of a source's or tracker's flows since the last call, or all of them. */
export function taken(
  from: { take(namespace: number, everything: boolean, into: FlowChanges): void },
  everything = false,
  namespace = 1,
): FlowChanges {
  const changes = noFlowChanges();
  from.take(namespace, everything, changes);
  return changes;
}

/** What an aggregator would know: flows by id, updated by changes. */
export class Account {
  readonly flows = new Map<number, string>();
  readonly #withId: boolean;

  constructor(withId: boolean) {
    this.#withId = withId;
  }

  apply({ added, changed, removed }: FlowChanges): void {
    for (let row = 0; row < added.length; row++) {
      const id = added.id[row]!;
      if (this.flows.has(id)) throw new Error(`flow ${id} is added twice`);
      this.flows.set(id, flowText(added, row, this.#withId));
    }
    for (let row = 0; row < changed.length; row++) {
      const id = changed.id[row]!;
      if (!this.flows.has(id)) throw new Error(`flow ${id} changes and is not known`);
      this.flows.set(id, flowText(changed, row, this.#withId));
    }
    for (const id of removed) if (!this.flows.delete(id)) throw new Error(`flow ${id} goes and is not known`);
  }

  texts(): string[] {
    return [...this.flows.values()].toSorted((a, b) => a.localeCompare(b));
  }
}

/** Returns why no namespace with a conntrack table can be created here; null if one can. */
export function conntrackObstacle(): string | null {
  if (process.getuid?.() !== 0) return "needs root to make network namespaces";
  try {
    execFileSync("conntrack", ["--version"], { stdio: "ignore" });
    execFileSync("ip", ["-Version"], { stdio: "ignore" });
  } catch {
    return "needs conntrack and iproute2";
  }
  return null;
}

let made = 0;

/** A network namespace with a process in it. */
export class ConntrackNamespace implements Disposable {
  readonly name = `wt${process.pid}ct${made++}`;
  readonly pid: number;
  readonly #child;

  constructor() {
    execFileSync("ip", ["netns", "add", this.name]);
    // A shell that waits for its input; it exits with this process.
    this.#child = spawn(
      "ip",
      ["netns", "exec", this.name, "sh", "-c", "ip link set lo up; echo ready; read line"],
      {
        stdio: ["pipe", "pipe", "inherit"],
      },
    );
    this.pid = this.#child.pid!;
  }

  /** Waits until the process is in the namespace. */
  async ready(): Promise<this> {
    for await (const chunk of this.#child.stdout) if (String(chunk).includes("ready")) break;
    return this;
  }

  /** Runs a program in the namespace and returns what it printed. */
  run(...words: string[]): string {
    return execFileSync("ip", ["netns", "exec", this.name, ...words], {
      encoding: "utf8",
      stdio: ["ignore", "pipe", "ignore"],
      maxBuffer: 2 ** 28,
    });
  }

  /** Runs `conntrack -I`: inserts an entry of a protocol. */
  insert(protocol: string, ...words: string[]): void {
    this.run("conntrack", "-I", "-p", protocol, "-t", "600", ...words);
  }

  /** Inserts many entries with one process: each line has the arguments of one insert(). */
  insertAll(lines: readonly string[]): void {
    const file = path.join(tmpdir(), `${this.name}.entries`);
    writeFileSync(file, lines.map((line) => `-I -t 600 -p ${line}\n`).join(""));
    this.run("conntrack", "-R", file);
    rmSync(file);
  }

  /** Returns every entry with its id, as conntrack prints it. */
  list(): string {
    return this.run("conntrack", "-L", "-o", "extended,id");
  }

  /** Returns every entry as /proc prints it; null if the kernel has no such file. */
  text(): string | null {
    try {
      return readFileSync(`/proc/${this.pid}/net/nf_conntrack`, "utf8");
    } catch {
      return null;
    }
  }

  [Symbol.dispose](): void {
    this.#child.kill("SIGKILL");
    execFileSync("ip", ["netns", "del", this.name]);
  }
}
