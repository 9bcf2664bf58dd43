// A real nats-server process for tests: started, killed and started again on the same port and store.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "./eventually.ts";

/** Why the tests that need nats-server cannot run here; null where they can. */
export function natsServerMissing(): string | null {
  const { status } = spawnSync("nats-server", ["--version"], { stdio: "ignore" });
  return status === 0 ? null : "nats-server is not on the PATH";
}

/** One server with JetStream in a directory of its own. */
export class TestNatsServer {
  readonly url: string;
  readonly directory: string;
  readonly #port: number;
  readonly #configuration: string;
  #process: ChildProcess | null = null;

  private constructor(directory: string, port: number, configuration: string) {
    this.directory = directory;
    this.url = `nats://127.0.0.1:${port}`;
    this.#port = port;
    this.#configuration = configuration;
  }

  /** Starts a server on a free port; `configuration` is added to its file. */
  static async start(configuration = ""): Promise<TestNatsServer> {
    const directory = await mkdtemp(join(tmpdir(), "whotalks-nats-"));
    const server = new TestNatsServer(directory, await freePort(), configuration);
    await server.start();
    return server;
  }

  /** Starts it (again) and waits until it accepts connections. */
  async start(configuration = this.#configuration): Promise<void> {
    const file = join(this.directory, "nats.conf");
    const store = join(this.directory, "store");
    const text = `listen: "127.0.0.1:${this.#port}"\njetstream { store_dir: "${store}" }\n${configuration}\n`;
    await writeFile(file, text);
    const child = spawn("nats-server", ["-c", file], { stdio: "ignore" });
    this.#process = child;
    await until("nats-server accepts connections", async () => {
      if (child.exitCode !== null) throw new Error(`nats-server ended with ${child.exitCode}`);
      return accepts(this.#port);
    });
  }

  /** Kills it as a crash would (SIGKILL), or asks it to stop (SIGTERM). */
  async stop(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Copies the store aside (the server must be stopped); restoreStore() brings it back. */
  async saveStore(): Promise<void> {
    await cp(join(this.directory, "store"), join(this.directory, "saved"), { recursive: true });
  }

  /** What a crash does that comes before the disk has synced: the store is what it was at saveStore(). */
  async restoreStore(): Promise<void> {
    await rm(join(this.directory, "store"), { recursive: true });
    await cp(join(this.directory, "saved"), join(this.directory, "store"), { recursive: true });
  }

  /** Stops it and removes its directory. */
  async remove(): Promise<void> {
    await this.stop();
    await rm(this.directory, { recursive: true, force: true });
  }
}

async function accepts(port: number): Promise<boolean> {
  const socket = connectTcp(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/** A port that nobody listens on. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
