// A real nats-server process for tests, which can be killed and restarted on the same port and store.

import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { cp, mkdtemp, rm, writeFile } from "node:fs/promises";
import { connect as connectTcp, createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { until } from "./eventually.ts";

/** Why tests that need nats-server cannot run here; null if they can. */
export function natsServerMissing(): string | null {
  const { status } = spawnSync("nats-server", ["--version"], { stdio: "ignore" });
  return status === 0 ? null : "nats-server is not on the PATH";
}

/** One server with JetStream in its own directory. */
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

  /** Starts or restarts the server and waits until it accepts connections. */
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

  /** Kills the server as a crash would (SIGKILL), or asks it to stop (SIGTERM). */
  async stop(signal: "SIGKILL" | "SIGTERM" = "SIGKILL"): Promise<void> {
    const child = this.#process;
    this.#process = null;
    if (child === null || child.exitCode !== null || child.signalCode !== null) return;
    const ended = once(child, "exit");
    child.kill(signal);
    await ended;
  }

  /** Saves a copy of the store (the server must be stopped); restoreStore() restores it. */
  async saveStore(): Promise<void> {
    await cp(join(this.directory, "store"), join(this.directory, "saved"), { recursive: true });
  }

  /** Simulates a crash before the disk has synced: restores the store of saveStore(). */
  async restoreStore(): Promise<void> {
    await rm(join(this.directory, "store"), { recursive: true });
    await cp(join(this.directory, "saved"), join(this.directory, "store"), { recursive: true });
  }

  /** Stops the server and removes its directory. */
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

/** Returns a port on which nobody listens. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  server.close();
  if (address === null || typeof address === "string") throw new Error("no port");
  return address.port;
}
