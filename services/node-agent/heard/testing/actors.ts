// Processes that hold sockets (socket-actor.ts), and the passing of sockets between them.

import type { ChildProcess } from "node:child_process";
import { fork } from "node:child_process";
import { once } from "node:events";
import type { Socket } from "node:net";
import path from "node:path";

import type { FromActor, Order, ToActor } from "./orders.ts";

const script = path.join(import.meta.dirname, "socket-actor.ts");

/** Far longer than any order takes on a busy machine. */
const PATIENCE_MS = 15_000;

interface Waiting {
  readonly resolve: (port: number) => void;
  readonly reject: (error: Error) => void;
}

/** One such process. */
export class Actor {
  readonly #child: ChildProcess;
  readonly #onAccept: (name: string, by: Actor) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #takers = new Map<string, Actor>();
  readonly #taken = new Map<string, () => void>();
  #orders = 0;

  private constructor(child: ChildProcess, onAccept: (name: string, by: Actor) => void) {
    this.#child = child;
    this.#onAccept = onAccept;
    child.on("message", (message: FromActor, handle: unknown) => this.#hear(message, handle as Socket));
    child.on("exit", () => {
      for (const { reject } of this.#waiting.values()) reject(new Error("the process has ended"));
    });
  }

  /** Starts one; `onAccept` is called with the name of each connection that it accepts. */
  static async start(onAccept: (name: string, by: Actor) => void): Promise<Actor> {
    const child = fork(script, { stdio: ["ignore", "ignore", "inherit", "ipc"] });
    // A socket that is passed adds listeners of its own.
    child.setMaxListeners(0);
    const actor = new Actor(child, onAccept);
    await once(child, "message");
    return actor;
  }

  get pid(): number {
    return this.#child.pid!;
  }

  /** Orders something; resolves when it is done, with the local port of what was opened. */
  async order(what: Order): Promise<number> {
    const order = this.#orders++;
    const patience = setTimeout(
      () => this.#waiting.get(order)?.reject(new Error(`${this.pid} has not done ${JSON.stringify(what)}`)),
      PATIENCE_MS,
    );
    return await new Promise<number>((resolve, reject) => {
      this.#waiting.set(order, { resolve, reject });
      this.#send({ order, what });
    }).finally(() => clearTimeout(patience));
  }

  /** Passes a socket to another process, through this one, which holds it for a moment. */
  async pass(name: string, to: Actor): Promise<void> {
    this.#takers.set(name, to);
    const taken = new Promise<void>((resolve) => to.#taken.set(name, resolve));
    await this.order({ do: "pass", name });
    await taken;
    // By then it knows that its descriptor was received, and has closed it.
    await this.order({ do: "nothing" });
  }

  /** Stops the process: the kernel continues to accept connections for it. */
  freeze(): void {
    this.#child.kill("SIGSTOP");
  }

  thaw(): void {
    this.#child.kill("SIGCONT");
  }

  async end(): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    const exited = once(this.#child, "exit");
    this.#child.kill("SIGKILL");
    await exited;
  }

  #send(message: ToActor, socket?: Socket): void {
    this.#child.send(message, socket);
  }

  #hear(message: FromActor, socket: Socket): void {
    if ("passed" in message) {
      socket.allowHalfOpen = true;
      this.#takers.get(message.passed)!.#send({ take: message.passed, received: message.received }, socket);
      this.#takers.delete(message.passed);
    } else if ("taken" in message) {
      this.#taken.get(message.taken)!();
      this.#taken.delete(message.taken);
    } else if ("accepted" in message) {
      this.#onAccept(message.accepted, this);
    } else if ("done" in message) {
      this.#waiting.get(message.done)!.resolve(message.port);
      this.#waiting.delete(message.done);
    } else if ("failed" in message) {
      this.#waiting.get(message.failed)!.reject(new Error(message.error));
      this.#waiting.delete(message.failed);
    }
  }
}
